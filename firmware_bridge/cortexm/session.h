/* One session of a device, the same on every machine: what it sends, and what its encoders cost. */
#ifndef SESSION_H
#define SESSION_H

#include <stddef.h>
#include <stdint.h>

/* The machine below. `ticks` count instructions, `stack_paint` and `stack_used` measure the stack below the caller. */
void machine_send(const uint8_t *bytes, size_t size);
void machine_report(const char *name, uint32_t ticks, uint32_t samples, uint32_t stack_bytes);
uint32_t machine_ticks(void);
uint32_t machine_ticks_since(uint32_t start);
void machine_stack_paint(void);
uint32_t machine_stack_used(void);

/* Returns 0 if all went as it must. */
int session(void);

#endif
