/* Stands for the Pico SDK: the declarations that the example uses, and nothing of what they do. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned int uint;
typedef struct { volatile uint32_t ints0; } dma_hw_t;
typedef struct { volatile uint32_t rxf[4]; } pio_hw_t;
typedef pio_hw_t *PIO;
typedef struct { uint32_t ctrl; } dma_channel_config;
typedef struct { uint32_t clkdiv; } pio_sm_config;
typedef struct pio_program { const uint16_t *instructions; uint8_t length; int8_t origin; } pio_program_t;
typedef struct { uint8_t id[8]; } pico_unique_board_id_t;
typedef void (*irq_handler_t)(void);
enum dma_channel_transfer_size { DMA_SIZE_8, DMA_SIZE_16, DMA_SIZE_32 };
enum pio_fifo_join { PIO_FIFO_JOIN_NONE, PIO_FIFO_JOIN_TX, PIO_FIFO_JOIN_RX };
enum clock_index { clk_ref = 4, clk_sys = 5 };
extern dma_hw_t *dma_hw;
extern PIO pio0;
#define DMA_IRQ_0 11

uint32_t clock_get_hz(enum clock_index clock);
uint pio_add_program(PIO pio, const pio_program_t *program);
uint pio_get_dreq(PIO pio, uint sm, bool is_tx);
void pio_sm_set_enabled(PIO pio, uint sm, bool enabled);
int pio_sm_init(PIO pio, uint sm, uint initial_pc, const pio_sm_config *config);
void pio_gpio_init(PIO pio, uint pin);
int pio_sm_set_consecutive_pindirs(PIO pio, uint sm, uint base, uint count, bool is_out);
void sm_config_set_in_pins(pio_sm_config *c, uint base);
void sm_config_set_sideset_pins(pio_sm_config *c, uint base);
void sm_config_set_in_shift(pio_sm_config *c, bool right, bool autopush, uint threshold);
void sm_config_set_fifo_join(pio_sm_config *c, enum pio_fifo_join join);
void sm_config_set_clkdiv_int_frac(pio_sm_config *c, uint16_t whole, uint8_t frac);
int dma_claim_unused_channel(bool required);
dma_channel_config dma_channel_get_default_config(uint channel);
void channel_config_set_transfer_data_size(dma_channel_config *c, enum dma_channel_transfer_size size);
void channel_config_set_read_increment(dma_channel_config *c, bool on);
void channel_config_set_write_increment(dma_channel_config *c, bool on);
void channel_config_set_dreq(dma_channel_config *c, uint dreq);
void dma_channel_configure(uint channel, const dma_channel_config *c, volatile void *to, const volatile void *from,
                           uint count, bool trigger);
void dma_channel_set_irq0_enabled(uint channel, bool on);
void dma_channel_set_write_addr(uint channel, volatile void *to, bool trigger);
void dma_channel_start(uint channel);
void irq_set_exclusive_handler(uint number, irq_handler_t handler);
void irq_set_enabled(uint number, bool on);
void pico_get_unique_board_id(pico_unique_board_id_t *id);
uint32_t get_rand_32(void);
bool stdio_init_all(void);
bool stdio_usb_connected(void);
int stdio_put_string(const char *s, int size, bool newline, bool cr);
void tight_loop_contents(void);

extern const pio_program_t i2s_program; /* made of i2s.pio by pioasm */
pio_sm_config i2s_program_get_default_config(uint offset);
