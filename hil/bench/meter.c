/* A Janitza UMG 604 as far as a fast poll sees it: functions 3 and 4, float32, high word first.
 *
 * The frequency register is renewed the moment it is set, so that the time of a change is known to the microsecond;
 * everything else once in refresh_ns, with noise, as a measuring window does it (the real one: 200 ms). A change of a
 * register in a real meter falls anywhere between two polls, and so does one that the bench sets at a random moment.
 *
 * Source of the addresses: Janitza's Modbus address list for the UMG 604 (1317 .. 1439, 9851, 9863) and the block of
 * "frequently required readings" at 19000 that the family shares. Anything else is refused with code 2, as there.
 */

#define _GNU_SOURCE
#include "meter.h"

#include "bench.h"
#include "server.h"

#include <math.h>
#include <string.h>

/* Well under what one miner draws, so that a shed of the whole fleet needs the whole fleet every time. */
enum { NOISE_W = 20 };

enum quantity { V1, V2, V3, V12, V23, V31, I1, I2, I3, P1, P2, P3, P, S, PF, F, WH };

/* Where each quantity is. A float takes two registers. */
static const struct {
    uint16_t at;
    enum quantity quantity;
} REGISTERS[] = {
    {1317, V1},  {1319, V2},  {1321, V3},  {1325, I1},  {1327, I2},  {1329, I3},   {1333, P1},  {1335, P2},  {1337, P3},
    {1369, P},   {1439, F},   {9851, WH},  {9863, WH},  {19000, V1}, {19002, V2},  {19004, V3}, {19006, V12}, {19008, V23},
    {19010, V31}, {19012, I1}, {19014, I2}, {19016, I3}, {19020, P1}, {19022, P2},  {19024, P3}, {19026, P},  {19028, P1},
    {19030, P2}, {19032, P3}, {19034, S},  {19044, PF}, {19046, PF}, {19048, PF},  {19050, F},  {19060, WH}, {19068, WH},
};

static const struct {
    uint16_t first, last;
} READABLE[] = {{1317, 1440}, {9851, 9864}, {19000, 19121}};

static double noise(struct meter *meter) { /* -1 .. 1; xorshift, seeded: runs can be repeated */
    meter->noise ^= meter->noise << 13;
    meter->noise ^= meter->noise >> 17;
    meter->noise ^= meter->noise << 5;
    return (double)meter->noise / 2147483648.0 - 1.0;
}

static void renew(struct meter *meter, int64_t at_ns) {
    if (at_ns - meter->renewed_ns < meter->refresh_ns) return;
    meter->import_wh += meter->shown_w * (double)(at_ns - meter->renewed_ns) / 3.6e12;
    meter->renewed_ns = at_ns;
    meter->shown_w = meter->miners_w + meter->unmetered_w + NOISE_W * noise(meter);
    for (int phase = 0; phase < 3; phase++) meter->voltage_v[phase] = 277 * (1 + 1e-3 * noise(meter));
}

static double value_of(const struct meter *meter, enum quantity quantity) {
    double phase_w = meter->shown_w / 3;
    switch (quantity) {
    case V1: case V2: case V3: return meter->voltage_v[quantity - V1];
    case V12: case V23: case V31: return meter->voltage_v[quantity - V12] * sqrt(3);
    case I1: case I2: case I3: return phase_w / meter->voltage_v[quantity - I1];
    case P1: case P2: case P3: return phase_w;
    case P: case S: return meter->shown_w;
    case PF: return 1;
    case F: return meter->frequency_hz;
    case WH: return meter->import_wh;
    }
    return 0;
}

/* The registers at .. at + count, big-endian; false where this meter has none. */
static bool read_registers(struct meter *meter, int at, int count, uint8_t *to) {
    bool readable = false, shows_frequency = false;
    for (size_t i = 0; i < sizeof READABLE / sizeof *READABLE; i++)
        readable |= at >= READABLE[i].first && at + count - 1 <= READABLE[i].last;
    if (!readable) return false;
    memset(to, 0, (size_t)count * 2);
    pthread_mutex_lock(&meter->lock);
    int64_t at_ns = now_ns();
    renew(meter, at_ns);
    for (size_t i = 0; i < sizeof REGISTERS / sizeof *REGISTERS; i++) {
        int offset = REGISTERS[i].at - at;
        if (offset < 0 || offset + 2 > count) continue;
        float value = (float)value_of(meter, REGISTERS[i].quantity);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        put16(to + offset * 2, bits >> 16);
        put16(to + offset * 2 + 2, bits);
        shows_frequency |= REGISTERS[i].quantity == F;
    }
    if (shows_frequency && meter->served_ns == 0) meter->served_ns = at_ns;
    if (shows_frequency) meter->polls_ns[meter->polls_count++ % POLLS_KEPT] = at_ns;
    pthread_mutex_unlock(&meter->lock);
    return true;
}

static size_t answer(void *device, const uint8_t *request, size_t size, uint8_t *reply) {
    int at = get16(request + 1), count = get16(request + 3);
    if (size != READ_REQUEST || (request[0] != 3 && request[0] != 4)) return refuse(request, ILLEGAL_FUNCTION, reply);
    if (count < 1 || count > REGISTERS_MAX) return refuse(request, ILLEGAL_VALUE, reply);
    if (!read_registers(device, at, count, reply + 2)) return refuse(request, ILLEGAL_ADDRESS, reply);
    reply[0] = request[0];
    reply[1] = (uint8_t)(count * 2);
    return 2 + (size_t)count * 2;
}

int meter_start(struct meter *meter) {
    pthread_mutex_init(&meter->lock, NULL);
    meter->noise = 2463534242u;
    meter->renewed_ns = now_ns() - meter->refresh_ns;
    return server_start(answer, meter);
}

int64_t meter_set_frequency(struct meter *meter, double hz) {
    pthread_mutex_lock(&meter->lock);
    meter->frequency_hz = hz;
    meter->served_ns = 0;
    meter->changed_ns = now_ns();
    pthread_mutex_unlock(&meter->lock);
    return meter->changed_ns;
}
