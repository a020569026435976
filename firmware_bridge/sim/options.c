/* options.c - what the command line says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "Usage: laennec link simulate [OPTIONS] [FILE ...]\n"
    "\n"
    "  Plays sound files as a stethoscope would, with the faults of real ones. Each\n"
    "  file is a stream of its own, converted to 16 bits. At the end, a line of JSON\n"
    "  counts what was sent and what was lost on purpose.\n"
    "\n"
    "Connection (default: a new pseudo-terminal; its name is the first line of the\n"
    "output, and playing starts when it is opened):\n"
    "  --tty PATH              write to this serial port, which is set up already\n"
    "  --udp HOST:PORT         send UDP datagrams to this address\n"
    "  --queue N               packets that may wait for the line; more are dropped,\n"
    "                          as on a device [default: 32]\n"
    "\n"
    "Device:\n"
    "  --id HEX                device id [default: 5e000001]\n"
    "  --devices N             number of devices with consecutive ids; needs --udp\n"
    "                          [default: 1]\n"
    "  --codec pcm|rice        coding of the samples [default: rice]\n"
    "  --block N               samples per packet [default: 20 ms of them]\n"
    "  --boot N                first boot counter, 0 to 255 [default: 1]\n"
    "  --index N               first value of the sample counter [default: 0]\n"
    "  --key HEX               authenticate every packet with this key\n"
    "  --session N             first session number of the authentication\n"
    "                          [default: the boot counter]\n"
    "  --battery PERCENT       charge, 0 to 100 [default: 90]\n"
    "  --hello SECONDS         time between announcements [default: 2]\n"
    "\n"
    "Time:\n"
    "  --seconds SECONDS       play for so long, and repeat a file that ends before\n"
    "                          [default: each file once]\n"
    "  --speed FACTOR          speed relative to real time; 0: as fast as the line\n"
    "                          takes it, without dropping [default: 1]\n"
    "  --ppm PPM               error of the sampling clock, parts per million, fast\n"
    "                          if above 0 [default: 0]\n"
    "  --declare HZ            sampling rate that is announced [default: the file's]\n"
    "\n"
    "Random faults, each a probability from 0 to 1 per packet of samples, together at\n"
    "most 1 [default: 0]:\n"
    "  --loss P                the packet is lost\n"
    "  --double P              it arrives twice\n"
    "  --swap P                it arrives after the next one\n"
    "  --flip P                one of its bits is inverted\n"
    "  --seed N                start of the random numbers [default: 1]\n"
    "\n"
    "Faults at given times; AT:LENGTH in seconds, AT since the start; may be given\n"
    "several times:\n"
    "  --hole AT:LENGTH        all packets that begin within are lost\n"
    "  --stall AT:LENGTH       the line takes nothing, then the queue in a burst\n"
    "  --overrun AT:LENGTH     the converter loses samples; the device counts them\n"
    "  --loose AT:LENGTH       no contact with the skin\n"
    "  --reboot AT:LENGTH      the device is off; then its counters start again\n"
    "  --brownout AT:LENGTH    the battery runs down, then the last packet is cut\n"
    "\n"
    "  --help                  show this message and exit\n";

void die(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("device: ", stderr);
    vfprintf(stderr, format, list);
    fputs("\n", stderr);
    va_end(list);
    exit(2);
}

bool inside(const spans *s, double t) {
    int i;
    for (i = 0; i < s->count; i++)
        if (t >= s->list[i].at && t < s->list[i].at + s->list[i].length) return true;
    return false;
}

static double number(const char *name, const char *text, double low, double high) {
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= low && v <= high)) die("%s %s: expected %g to %g", name, text, low, high);
    return v;
}

static void add_span(spans *s, const char *name, const char *text) {
    char *end;
    span *one = &s->list[s->count];
    if (s->count == MAX_SPANS) die("%s: at most %d of them", name, MAX_SPANS);
    one->at = strtod(text, &end);
    if (end == text || *end != ':' || one->at < 0) die("%s %s: expected AT:LENGTH in seconds", name, text);
    one->length = number(name, end + 1, 0, 1e9);
    s->count++;
}

static uint32_t hex(const char *name, const char *text) {
    char *end;
    unsigned long long v = strtoull(text, &end, 16);
    if (end == text || *end || !v || v > 0xffffffffull) die("%s %s: expected 1 to ffffffff", name, text);
    return (uint32_t)v;
}

static bool take_span(options *o, const char *name, const char *value) {
    struct {
        const char *name;
        spans *of;
    } all[] = {{"--hole", &o->holes},     {"--stall", &o->stalls},   {"--overrun", &o->overruns},
               {"--loose", &o->loose},    {"--reboot", &o->reboots}, {"--brownout", &o->brownouts}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(name, all[i].name)) continue;
        add_span(all[i].of, name, value);
        return true;
    }
    return false;
}

static bool take_number(options *o, const char *name, const char *value) {
    struct {
        const char *name;
        double *to, low, high;
    } all[] = {{"--seconds", &o->seconds, 0, 1e9},        {"--speed", &o->speed, 0, 1e6},
               {"--ppm", &o->ppm, -1e5, 1e5},             {"--declare", &o->declared_hz, 0.001, 4e6},
               {"--battery", &o->battery, 0, 100},        {"--hello", &o->hello_s, 0.05, 1e9},
               {"--loss", &o->loss, 0, 1},                {"--double", &o->twice, 0, 1},
               {"--swap", &o->swap, 0, 1},                {"--flip", &o->flip, 0, 1}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(name, all[i].name)) continue;
        *all[i].to = number(name, value, all[i].low, all[i].high);
        return true;
    }
    return false;
}

static bool take_other(options *o, const char *name, const char *value) {
    if (!strcmp(name, "--tty")) o->tty = value;
    else if (!strcmp(name, "--udp")) o->udp = value;
    else if (!strcmp(name, "--key")) o->key = value;
    else if (!strcmp(name, "--id")) o->id = hex(name, value);
    else if (!strcmp(name, "--devices")) o->devices = (int)number(name, value, 1, 1000);
    else if (!strcmp(name, "--queue")) o->queue = (int)number(name, value, 1, 100000);
    else if (!strcmp(name, "--block")) o->block = (int)number(name, value, 1, AUSLINK_MAX_VALUES);
    else if (!strcmp(name, "--boot")) o->boot = (uint8_t)number(name, value, 0, 255);
    else if (!strcmp(name, "--index")) o->first_index = (uint32_t)number(name, value, 0, 4294967295.0);
    else if (!strcmp(name, "--session")) o->session = (uint32_t)number(name, value, 0, 4294967295.0);
    else if (!strcmp(name, "--seed")) o->seed = (uint64_t)number(name, value, 0, 9e15);
    else if (!strcmp(name, "--codec") && !strcmp(value, "pcm")) o->codec = AUSLINK_CODEC_PCM;
    else if (!strcmp(name, "--codec") && !strcmp(value, "rice")) o->codec = AUSLINK_CODEC_RICE;
    else return false;
    return true;
}

options read_options(int argc, char **argv) {
    options o = {0};
    int i;
    o.id = 0x5e000001u, o.devices = 1, o.queue = 32, o.boot = 1, o.codec = AUSLINK_CODEC_RICE;
    o.speed = 1, o.battery = 90, o.hello_s = 2, o.seed = 1;
    for (i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
            fputs(HELP, stdout);
            exit(0);
        }
        if (name[0] != '-') {
            if (o.n_wavs == MAX_STREAMS) die("at most %d recordings", MAX_STREAMS);
            o.wavs[o.n_wavs++] = name;
            continue;
        }
        if (++i == argc) die("%s: expected a value; see --help", name);
        if (!take_span(&o, name, argv[i]) && !take_number(&o, name, argv[i]) && !take_other(&o, name, argv[i]))
            die("%s %s: not understood; see --help", name, argv[i]);
    }
    if (!o.n_wavs) die("expected a recording; see --help");
    if (o.devices > 1 && !o.udp) die("--devices: several devices need --udp");
    if (o.loss + o.twice + o.swap + o.flip > 1) die("--loss, --double, --swap and --flip: together at most 1");
    if (!o.session) o.session = o.boot;
    return o;
}
