/* The session on the machine that builds it: its packets on standard output. */
#include <stdio.h>

#include "session.h"

void machine_send(const uint8_t *bytes, size_t size) { fwrite(bytes, 1, size, stdout); }
uint32_t machine_ticks(void) { return 0; }
uint32_t machine_ticks_since(uint32_t start) { return start; }
void machine_stack_paint(void) {}
uint32_t machine_stack_used(void) { return 0; }

void machine_report(const char *name, uint32_t ticks, uint32_t samples, uint32_t stack_bytes) {
    (void)name;
    (void)ticks;
    (void)samples;
    (void)stack_bytes;
}

int main(void) { return session(); }
