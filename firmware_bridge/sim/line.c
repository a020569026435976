/* line.c - what lies between a device and the host: a queue, a pty, terminal or socket, and its faults.
 *
 * Not for what packets say. A packet of samples suffers one fault at most, drawn from the seed: lost, sent twice,
 * swapped with the one behind it, or one bit flipped (never the delimiter: that would take the next packet with it).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

typedef struct {
    uint32_t id, index;
    uint16_t n;
    uint8_t stream, boot;
} trace;

struct line {
    packet *queue;
    unsigned size, first, count, fullest;
    size_t written; /* bytes of the first packet that the line took */
    packet swapped;
    bool has_swapped, is_datagram, is_pty;
    int fd;
    char name[128];
    double loss, twice, swap, flip;
    uint64_t chance;
    line_tally counts;
    trace *missing;
    size_t n_missing, room;
};

double chance(uint64_t *state) { /* xorshift64*, Vigna 2016 */
    uint64_t x = *state;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    *state = x;
    return (double)((x * 0x2545f4914f6cdd1dull) >> 11) / 9007199254740992.0;
}

static void make_raw(int fd) {
    struct termios t;
    if (tcgetattr(fd, &t)) die("terminal: cannot be configured: %s", strerror(errno));
    t.c_iflag = t.c_oflag = t.c_lflag = 0;
    t.c_cflag = CS8 | CREAD | CLOCAL;
    t.c_cc[VMIN] = 1, t.c_cc[VTIME] = 0;
    tcsetattr(fd, TCSANOW, &t);
}

static void open_pty(line *l) {
    int slave;
    l->fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (l->fd < 0 || grantpt(l->fd) || unlockpt(l->fd)) die("no pty to be had: %s", strerror(errno));
    snprintf(l->name, sizeof l->name, "%s", ptsname(l->fd));
    slave = open(l->name, O_RDWR | O_NOCTTY);
    if (slave < 0) die("%s: %s", l->name, strerror(errno));
    make_raw(slave);
    close(slave); /* from now on the other end counts as shut until somebody opens it */
    l->is_pty = true;
}

static void open_udp(line *l, const char *to) {
    struct addrinfo want = {0}, *found = 0;
    const char *colon = strrchr(to, ':');
    char host[96];
    if (!colon || (size_t)(colon - to) >= sizeof host) die("--udp %s: expected HOST:PORT", to);
    memcpy(host, to, (size_t)(colon - to));
    host[colon - to] = 0;
    want.ai_socktype = SOCK_DGRAM;
    if (getaddrinfo(host, colon + 1, &want, &found)) die("--udp %s: no such address", to);
    l->fd = socket(found->ai_family, SOCK_DGRAM, 0);
    if (l->fd < 0 || connect(l->fd, found->ai_addr, found->ai_addrlen)) die("--udp %s: %s", to, strerror(errno));
    freeaddrinfo(found);
    snprintf(l->name, sizeof l->name, "udp %s", to);
    l->is_datagram = true;
}

line *line_open(const options *o) {
    line *l = calloc(1, sizeof *l);
    if (!l) die("out of memory");
    l->size = (unsigned)o->queue * (unsigned)o->devices;
    l->queue = malloc(l->size * sizeof *l->queue);
    if (!l->queue) die("out of memory");
    l->loss = o->loss, l->twice = o->twice, l->swap = o->swap, l->flip = o->flip;
    l->chance = (o->seed + 1) * 0x9e3779b97f4a7c15ull;
    if (o->udp) {
        open_udp(l, o->udp);
    } else if (o->tty) {
        l->fd = open(o->tty, O_RDWR | O_NOCTTY);
        if (l->fd < 0) die("%s: %s", o->tty, strerror(errno));
        make_raw(l->fd);
        snprintf(l->name, sizeof l->name, "%s", o->tty);
    } else {
        open_pty(l);
    }
    fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
    return l;
}

const char *line_name(const line *l) { return l->name; }
auslink_mode line_mode(const line *l) { return l->is_datagram ? AUSLINK_DATAGRAM : AUSLINK_STREAM; }
const line_tally *line_counts(const line *l) { return &l->counts; }

bool line_is_read(line *l) {
    struct pollfd p = {0};
    if (!l->is_pty) return true;
    p.fd = l->fd;
    poll(&p, 1, 0);
    return !(p.revents & POLLHUP);
}

void line_note(line *l, const packet *p) {
    trace t;
    t.id = p->device_id, t.index = p->index, t.n = p->n, t.stream = p->stream, t.boot = p->boot;
    if (l->n_missing == l->room) {
        l->room = l->room ? 2 * l->room : 256;
        l->missing = realloc(l->missing, l->room * sizeof *l->missing);
        if (!l->missing) die("out of memory");
    }
    l->missing[l->n_missing++] = t;
}

void line_missing(const line *l, FILE *out) {
    size_t i;
    fputs("[", out);
    for (i = 0; i < l->n_missing; i++) {
        const trace *t = &l->missing[i];
        fprintf(out, "%s[%lu, %u, %u, %lu, %u]", i ? ", " : "", (unsigned long)t->id, t->stream, t->boot,
                (unsigned long)t->index, t->n);
    }
    fputs("]", out);
}

static bool enqueue(line *l, const packet *p) {
    if (l->count == l->size) return false;
    l->queue[(l->first + l->count) % l->size] = *p;
    l->count++;
    if (l->count > l->fullest) l->fullest = l->count;
    return true;
}

static void flip_a_bit(line *l, packet *p) {
    size_t end = l->is_datagram ? p->size : p->size - 1;
    size_t bit = (size_t)(chance(&l->chance) * (double)(8 * end));
    p->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

bool line_put(line *l, const packet *p) {
    double draw;
    packet changed;
    if (!p->n) return enqueue(l, p);
    if (l->count == l->size) return false;
    l->counts.sent++;
    draw = chance(&l->chance);
    if (draw < l->loss) {
        l->counts.lost++;
        line_note(l, p);
        return true;
    }
    if ((draw -= l->loss) < l->twice) {
        enqueue(l, p);
        l->counts.doubled += enqueue(l, p);
    } else if ((draw -= l->twice) < l->swap && !l->has_swapped) {
        l->counts.swapped++;
        l->swapped = *p, l->has_swapped = true;
        return true;
    } else if (draw >= l->swap && draw - l->swap < l->flip) {
        l->counts.flipped++;
        line_note(l, p);
        changed = *p;
        flip_a_bit(l, &changed);
        enqueue(l, &changed);
    } else {
        enqueue(l, p);
    }
    if (l->has_swapped && !enqueue(l, &l->swapped)) line_note(l, &l->swapped);
    l->has_swapped = false;
    return true;
}

static bool write_first(line *l, bool wait) {
    packet *p = &l->queue[l->first];
    while (l->written < p->size) {
        ssize_t took = write(l->fd, p->bytes + l->written, p->size - l->written);
        if (took > 0) {
            l->written += (size_t)took;
        } else if (took < 0 && l->is_datagram && errno != EAGAIN && errno != ENOBUFS) {
            l->written = p->size; /* nobody listens there: it is gone, as radio is */
        } else if (!wait || stopped) {
            return false;
        } else if (!line_is_read(l)) {
            poll(0, 0, 10);
        } else {
            struct pollfd ready = {0};
            ready.fd = l->fd, ready.events = POLLOUT;
            poll(&ready, 1, 100);
        }
    }
    l->written = 0;
    l->first = (l->first + 1) % l->size;
    l->count--;
    return true;
}

void line_flush(line *l, bool stalled, bool wait) {
    while (l->count && !stalled && write_first(l, wait)) {
    }
}

size_t line_get(line *l, uint8_t *bytes, size_t cap) {
    ssize_t got = read(l->fd, bytes, cap);
    return got > 0 ? (size_t)got : 0;
}

unsigned line_fill(line *l) {
    unsigned percent = 100 * l->fullest / l->size;
    l->fullest = l->count;
    return percent;
}

/* A pty that is closed takes what was not read with it: wait until it was, or 5 s. */
static void wait_for_reader(const line *l) {
    int tries, waiting = 0, slave = open(l->name, O_RDWR | O_NOCTTY);
    for (tries = 0; tries < 500 && slave >= 0; tries++) {
        if (ioctl(slave, FIONREAD, &waiting) || !waiting) break;
        poll(0, 0, 10);
    }
    poll(0, 0, 50);
    if (slave >= 0) close(slave);
}

void line_end(line *l) {
    if (l->has_swapped) enqueue(l, &l->swapped);
    l->has_swapped = false;
    line_flush(l, false, line_is_read(l));
    if (l->is_pty) wait_for_reader(l);
}
