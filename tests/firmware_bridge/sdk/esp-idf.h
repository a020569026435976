/* Stands for ESP-IDF 5: the declarations that the example uses, and nothing of what they do. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_ERROR_CHECK(x) do { esp_err_t e_ = (x); (void)e_; } while (0)
#define IRAM_ATTR
#define portMAX_DELAY 0xffffffffu
#define pdTRUE 1
#define configMAX_PRIORITIES 25
typedef struct QueueDefinition *QueueHandle_t;
typedef struct tskTaskControlBlock *TaskHandle_t;
typedef long BaseType_t;
QueueHandle_t xQueueCreate(unsigned long count, unsigned long size);
BaseType_t xQueueSend(QueueHandle_t queue, const void *item, uint32_t ticks);
BaseType_t xQueueReceive(QueueHandle_t queue, void *item, uint32_t ticks);
BaseType_t xTaskCreate(void (*code)(void *), const char *name, uint32_t stack, void *argument, unsigned priority,
                       TaskHandle_t *made);

typedef struct i2s_channel_obj_t *i2s_chan_handle_t;
typedef struct { void *data; size_t size; } i2s_event_data_t;
typedef bool (*i2s_isr_callback_t)(i2s_chan_handle_t, i2s_event_data_t *, void *);
typedef struct { i2s_isr_callback_t on_recv, on_recv_q_ovf, on_sent, on_send_q_ovf; } i2s_event_callbacks_t;
typedef struct { int id, role; uint32_t dma_desc_num, dma_frame_num; bool auto_clear; } i2s_chan_config_t;
typedef struct { uint32_t sample_rate_hz; } i2s_std_clk_config_t;
typedef struct { int data_bit_width, slot_mode; } i2s_std_slot_config_t;
typedef struct { int mclk, bclk, ws, dout, din; } i2s_std_gpio_config_t;
typedef struct {
    i2s_std_clk_config_t clk_cfg;
    i2s_std_slot_config_t slot_cfg;
    i2s_std_gpio_config_t gpio_cfg;
} i2s_std_config_t;
enum { I2S_NUM_0, I2S_ROLE_MASTER = 0, I2S_DATA_BIT_WIDTH_32BIT = 32, I2S_SLOT_MODE_MONO = 1, I2S_GPIO_UNUSED = -1 };
#define I2S_CHANNEL_DEFAULT_CONFIG(i, r) {.id = (i), .role = (r), .dma_desc_num = 6, .dma_frame_num = 240}
#define I2S_STD_CLK_DEFAULT_CONFIG(rate) {.sample_rate_hz = (rate)}
#define I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(bits, mode) {.data_bit_width = (bits), .slot_mode = (mode)}
esp_err_t i2s_new_channel(const i2s_chan_config_t *config, i2s_chan_handle_t *tx, i2s_chan_handle_t *rx);
esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t channel, const i2s_std_config_t *config);
esp_err_t i2s_channel_register_event_callback(i2s_chan_handle_t channel, const i2s_event_callbacks_t *callbacks,
                                              void *context);
esp_err_t i2s_channel_enable(i2s_chan_handle_t channel);
esp_err_t i2s_channel_read(i2s_chan_handle_t channel, void *to, size_t size, size_t *read, uint32_t timeout_ms);

enum { ESP_MAC_WIFI_STA };
esp_err_t esp_read_mac(uint8_t *mac, int type);
uint32_t esp_random(void);
int64_t esp_timer_get_time(void);
esp_err_t nvs_flash_init(void);
esp_err_t esp_netif_init(void);
esp_err_t esp_event_loop_create_default(void);
esp_err_t example_connect(void);

#define AF_INET 2
#define SOCK_DGRAM 2
#define IPPROTO_UDP 17
#define MSG_DONTWAIT 8
struct sockaddr { uint8_t sa_len, sa_family; char sa_data[14]; };
struct in_addr { uint32_t s_addr; };
struct sockaddr_in { uint8_t sin_len, sin_family; uint16_t sin_port; struct in_addr sin_addr; char sin_zero[8]; };
int socket(int family, int type, int protocol);
int sendto(int s, const void *bytes, size_t size, int flags, const struct sockaddr *to, uint32_t to_size);
uint16_t htons(uint16_t v);
uint32_t inet_addr(const char *text);
