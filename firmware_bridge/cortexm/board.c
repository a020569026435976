/* The session on an emulated Cortex-M without an operating system: vectors, memory, SysTick, semihosting.
 *
 * Packets go to the file `session.bin`, the report to the console, both by semihosting ("Semihosting for AArch32", Arm).
 * Instructions: under `-icount` the emulator's clock moves by a fixed time for each of them, and SysTick counts that
 * time. How many instructions a tick is, is found by a loop of 2 000 000. */
#include "session.h"

enum { SYS_OPEN = 1, SYS_WRITE0 = 4, SYS_WRITE = 5, SYS_EXIT_EXTENDED = 0x20, WRITE_BINARY = 5, STOPPED = 0x20026 };
enum { PAINTED = 128, PAINT = 0x5a5a5a5a }; /* words below the caller */

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];
void reset(void);
static void fault(void);

typedef struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    stack_top, {reset, fault, fault, fault, fault, fault, fault}};

#define SYST_CSR (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018u)

static intptr_t file;
static uint32_t million_pairs; /* ticks */
static volatile uint32_t *painted;

static intptr_t host(intptr_t operation, const void *argument) {
    register intptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(intptr_t status) {
    intptr_t arguments[2];
    arguments[0] = STOPPED;
    arguments[1] = status;
    host(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

static void fault(void) { leave(99); }

void machine_send(const uint8_t *bytes, size_t size) {
    intptr_t arguments[3];
    arguments[0] = file;
    arguments[1] = (intptr_t)bytes;
    arguments[2] = (intptr_t)size;
    if (host(SYS_WRITE, arguments)) leave(98); /* bytes not written */
}

uint32_t machine_ticks(void) { return SYST_CVR; }

uint32_t machine_ticks_since(uint32_t start) { return (start - SYST_CVR) & 0xffffffu; }

/* Ticks of 2 000 000 instructions. */
static uint32_t calibrate(void) {
    uint32_t start = machine_ticks(), rounds = 1000000;
    __asm__ volatile(".syntax unified\n1: subs %0, %0, #1\n bne 1b" : "+l"(rounds) : : "cc");
    return machine_ticks_since(start);
}

static void say_number(uint32_t number) {
    char text[11], *at = text + 10;
    *at = 0;
    do *--at = (char)('0' + number % 10u);
    while (number /= 10u);
    host(SYS_WRITE0, at);
}

/* Three numbers after the name: instructions, samples, bytes of stack. */
void machine_report(const char *name, uint32_t ticks, uint32_t samples, uint32_t stack_bytes) {
    host(SYS_WRITE0, name);
    host(SYS_WRITE0, ": ");
    say_number((uint32_t)((uint64_t)ticks * 2000000u / million_pairs));
    host(SYS_WRITE0, " ");
    say_number(samples);
    host(SYS_WRITE0, " ");
    say_number(stack_bytes);
    host(SYS_WRITE0, "\n");
}

__attribute__((noinline)) void machine_stack_paint(void) {
    unsigned i;
    painted = (volatile uint32_t *)__builtin_frame_address(0) - 8 - PAINTED;
    for (i = 0; i < PAINTED; i++) painted[i] = PAINT;
}

__attribute__((noinline)) uint32_t machine_stack_used(void) {
    unsigned i = 0;
    const volatile uint32_t *here = __builtin_frame_address(0);
    while (i < PAINTED && painted[i] == PAINT) i++;
    return (uint32_t)((uintptr_t)here - (uintptr_t)(painted + i));
}

void reset(void) {
    static const char name[] = "session.bin";
    intptr_t arguments[3];
    uint32_t *to;
    const uint32_t *from = data_load;
    for (to = data_start; to < data_end;) *to++ = *from++;
    for (to = bss_start; to < bss_end;) *to++ = 0;
    arguments[0] = (intptr_t)name;
    arguments[1] = WRITE_BINARY;
    arguments[2] = sizeof name - 1;
    file = host(SYS_OPEN, arguments);
    SYST_RVR = 0xffffffu;
    SYST_CVR = 0;
    SYST_CSR = 5; /* on, from the processor's clock */
    while (!SYST_CVR) {
    }
    million_pairs = calibrate();
    leave(file < 0 ? 97 : session());
}
