// Runs a sketch for five seconds of a clock of its own; what it sends goes to standard output.
#include "arduino.h"

#include <stdio.h>

static const unsigned long STEP_US = 1000, BLOCK_US = 16000, STOP_US = 5000000;  // BLOCK_US: 256 samples at 16 kHz
static unsigned long now_us;
static void (*on_sound)();
static int16_t heard;

unsigned long micros() { return now_us; }
void randomSeed(unsigned long) {}
long random(long below) { return 7 % below; }
int analogRead(uint8_t) { return 0; }

SerialPort Serial;
void SerialPort::begin(unsigned long) {}
size_t SerialPort::write(const uint8_t *bytes, size_t size) { return fwrite(bytes, 1, size, stdout); }

Pdm PDM;
void Pdm::onReceive(void (*callback)()) { on_sound = callback; }
void Pdm::setBufferSize(int) {}
int Pdm::begin(int, int) { return 1; }
int Pdm::read(void *buffer, size_t bytes) {
    for (size_t i = 0; i < bytes / 2; i++) ((int16_t *)buffer)[i] = heard++;
    return (int)bytes;
}

int main() {
    setup();
    for (; now_us < STOP_US; now_us += STEP_US) {
        if (on_sound && now_us % BLOCK_US == 0) on_sound();
        loop();
    }
    return 0;
}
