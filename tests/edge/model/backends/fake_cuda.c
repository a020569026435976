/* A GPU that is none: the calls of libcuda and libcudart that the backend makes, with their real signatures.
 *
 * Work on a stream is only queued and done at cudaStreamSynchronize, in order, so that what is read too early is
 * not there (fresh memory is full of NaN). Every call is noted, may be told to fail, and what was
 * given out is counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 64, LOG_BYTES = 1 << 16 };
typedef void (*kernel)(void);
typedef struct { void *to; const void *from; size_t size; kernel run; } work;
typedef struct { work queue[CAPACITY]; int length; } stream;

static char calls[LOG_BYTES], failing[64];
static int fail_code, fail_after, live, last_error;

void fake_note(const char *call) {
    if (strlen(calls) + strlen(call) + 2 < LOG_BYTES) strcat(strcat(calls, call), "\n");
}
const char *fake_calls(void) { return calls; }
int fake_live(void) { return live; }
void fake_forget(void) { calls[0] = 0; }
void fake_reset(void) { calls[0] = failing[0] = 0; live = last_error = 0; }
void fake_fail(const char *call, int code, int after) {
    snprintf(failing, sizeof failing, "%s", call);
    fail_code = code;
    fail_after = after;
}
static int called(const char *call) {
    fake_note(call);
    if (strcmp(call, failing) || fail_after-- > 0) return 0;
    return last_error = fail_code;
}
#define CALL(name) do { int code = called(name); if (code) return code; } while (0)

/* libcuda */
int cuInit(unsigned flags) { (void)flags; return called("cuInit"); }
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return called("cuDeviceGet"); }
int cuDeviceGetName(char *name, int size, int device) { (void)device; snprintf(name, size, "Fake Orin"); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { (void)device; *value = attribute == 75 ? 8 : 7; return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = (size_t)8 << 30; return 0; }

/* libcudart */
static int give(void **address, size_t size) {
    *address = malloc(size);
    memset(*address, 0xFF, size);
    live++;
    return 0;
}
int cudaMalloc(void **address, size_t size) { CALL("cudaMalloc"); return give(address, size); }
int cudaMallocHost(void **address, size_t size) { CALL("cudaMallocHost"); return give(address, size); }
int cudaFree(void *address) { fake_note("cudaFree"); free(address); live--; return 0; }
int cudaFreeHost(void *address) { fake_note("cudaFreeHost"); free(address); live--; return 0; }
int cudaStreamCreateWithFlags(stream **made, unsigned flags) {
    CALL("cudaStreamCreateWithFlags");
    (void)flags;
    *made = calloc(1, sizeof **made);
    live++;
    return 0;
}
int cudaStreamDestroy(stream *s) { fake_note("cudaStreamDestroy"); free(s); live--; return 0; }
static int enqueue(stream *s, work w) {
    if (s->length == CAPACITY) return 2;
    s->queue[s->length++] = w;
    return 0;
}
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, stream *s) {
    CALL(kind == 1 ? "upload" : "download");
    return enqueue(s, (work){to, from, size, NULL});
}
int fake_enqueue(stream *s, kernel run) { return enqueue(s, (work){NULL, NULL, 0, run}); }
int cudaStreamSynchronize(stream *s) {
    CALL("cudaStreamSynchronize");
    for (int i = 0; i < s->length; i++) {
        work *w = &s->queue[i];
        if (w->run) w->run();
        else memcpy(w->to, w->from, w->size);
    }
    s->length = 0;
    return 0;
}
const char *cudaGetErrorString(int code) { return code == 2 ? "out of memory" : "unspecified failure"; }
int cudaGetLastError(void) { int code = last_error; last_error = 0; return code; }
