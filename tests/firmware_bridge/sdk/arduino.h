// What the examples use of Arduino and of its PDM library, for tests alone; `arduino_host.cpp` runs them.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define PI 3.14159265358979
#define A0 14

unsigned long micros();
void randomSeed(unsigned long seed);
long random(long below);
int analogRead(uint8_t pin);

struct SerialPort {
    void begin(unsigned long baud);
    size_t write(const uint8_t *bytes, size_t size);
};
extern SerialPort Serial;

struct Pdm {
    void onReceive(void (*callback)());
    void setBufferSize(int bytes);
    int begin(int channels, int rate_hz);
    int read(void *buffer, size_t bytes);
};
extern Pdm PDM;

void setup();
void loop();
