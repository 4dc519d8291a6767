/* The registers of drivers' two PLC layouts as their own files define them (hil/plcs has the same lists):
 *
 *   contactors-16    holding 0 heartbeat, 1 its echo, 2 counter, 3 time-out, 4 status; coils k1 .. k16; inputs di1 ..
 *                    Wired: k1's auxiliary contacts are di1 (52a) and di2 (52b), the permit is di3.
 *   two-phase-tank   holding 0 .. 14 values, 15 status, 16 alarms, 17 heartbeat, 18 its echo, 19 counter, 20 time-out
 *
 * The program is reduced to what is timed: a contactor moves the moment its coil is written, a beat is echoed at once,
 * and the counter is time itself, in rounds of 20 ms. The tank is always well but for the flow that is set.
 */

#define _GNU_SOURCE
#include "plc.h"

#include "bench.h"
#include "server.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { READ_COILS = 1, READ_INPUTS = 2, READ_HOLDING = 3, WRITE_COIL = 5, WRITE_REGISTER = 6 };
enum { K1 = 0, K1_52A = 0, K1_52B = 1, PERMIT = 2, FLOW = 1, STATUS_PERMIT_REMOTE = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 };
enum { ROUND_NS = 20000000, TIME_OUT_100MS = 100 };

static const uint16_t TANK[] = {160, 1200, 900, 485, 490, 320, 400, 240, 1000, 800, 800, 600, 600, 1800, 1500, STATUS_PERMIT_REMOTE};

static int beat_at(const struct plc *plc) {
    return plc->tank ? 17 : 0;
}

static size_t answer_bits(struct plc *plc, const uint8_t *request, uint8_t *reply) {
    bool inputs[PLC_INPUTS] = {[K1_52A] = plc->coils[K1], [K1_52B] = !plc->coils[K1], [PERMIT] = true};
    const bool *bits = request[0] == READ_COILS ? plc->coils : inputs;
    int at = get16(request + 1), count = get16(request + 3), known = request[0] == READ_COILS ? PLC_COILS : PLC_INPUTS;
    if (plc->tank || count < 1 || at + count > known) return refuse(request, ILLEGAL_ADDRESS, reply);
    size_t bytes = ((size_t)count + 7) / 8;
    reply[0] = request[0];
    reply[1] = (uint8_t)bytes;
    memset(reply + 2, 0, bytes);
    for (int i = 0; i < count; i++) reply[2 + i / 8] |= (uint8_t)(bits[at + i] << i % 8);
    return 2 + bytes;
}

static size_t answer_registers(struct plc *plc, const uint8_t *request, uint8_t *reply) {
    int at = get16(request + 1), count = get16(request + 3);
    if (count < 1 || at + count > PLC_REGISTERS) return refuse(request, ILLEGAL_ADDRESS, reply);
    int64_t at_ns = now_ns();
    plc->registers[beat_at(plc) + 2] = (uint16_t)(at_ns / ROUND_NS);
    if (plc->tank && at <= FLOW && at + count > FLOW && plc->served_ns == 0) plc->served_ns = at_ns;
    reply[0] = request[0];
    reply[1] = (uint8_t)(count * 2);
    for (int i = 0; i < count; i++) put16(reply + 2 + i * 2, plc->registers[at + i]);
    return 2 + (size_t)count * 2;
}

/* Both writes are answered by themselves. */
static size_t write_coil(struct plc *plc, const uint8_t *request, uint8_t *reply) {
    int at = get16(request + 1);
    bool before = plc->coils[K1];
    int64_t opened_ns = plc->opened_ns;
    if (plc->tank || at >= PLC_COILS) return refuse(request, ILLEGAL_ADDRESS, reply);
    plc->coils[at] = request[3] == 0xFF;
    if (at == K1 && !plc->coils[K1] && plc->opened_ns == 0) plc->opened_ns = now_ns();
    if (before != plc->coils[K1] || opened_ns != plc->opened_ns) eventfd_write(plc->switched, 1);
    memcpy(reply, request, READ_REQUEST);
    return READ_REQUEST;
}

static size_t write_register(struct plc *plc, const uint8_t *request, uint8_t *reply) {
    int at = get16(request + 1);
    if (at != beat_at(plc)) return refuse(request, ILLEGAL_ADDRESS, reply);
    plc->registers[at] = plc->registers[at + 1] = (uint16_t)get16(request + 3);
    memcpy(reply, request, READ_REQUEST);
    return READ_REQUEST;
}

static size_t answer(void *device, const uint8_t *request, size_t size, uint8_t *reply) {
    struct plc *plc = device;
    size_t answered;
    if (size != READ_REQUEST) return refuse(request, ILLEGAL_FUNCTION, reply);
    pthread_mutex_lock(&plc->lock);
    switch (request[0]) {
    case READ_COILS: case READ_INPUTS: answered = answer_bits(plc, request, reply); break;
    case READ_HOLDING: answered = answer_registers(plc, request, reply); break;
    case WRITE_COIL: answered = write_coil(plc, request, reply); break;
    case WRITE_REGISTER: answered = write_register(plc, request, reply); break;
    default: answered = refuse(request, ILLEGAL_FUNCTION, reply);
    }
    pthread_mutex_unlock(&plc->lock);
    return answered;
}

int plc_start(struct plc *plc, bool tank) {
    pthread_mutex_init(&plc->lock, NULL);
    plc->tank = tank;
    plc->coils[K1] = true;
    plc->switched = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (plc->switched < 0) fail("eventfd");
    if (tank) memcpy(plc->registers, TANK, sizeof TANK);
    plc->registers[beat_at(plc) + 3] = TIME_OUT_100MS;
    return server_start(answer, plc);
}

int64_t plc_set_flow(struct plc *plc, double lpm) {
    pthread_mutex_lock(&plc->lock);
    plc->registers[FLOW] = (uint16_t)(lpm * 10);
    plc->served_ns = 0;
    int64_t changed_ns = now_ns();
    pthread_mutex_unlock(&plc->lock);
    return changed_ns;
}

void plc_forget(struct plc *plc) {
    pthread_mutex_lock(&plc->lock);
    plc->opened_ns = 0;
    pthread_mutex_unlock(&plc->lock);
}

bool plc_closed(struct plc *plc) {
    pthread_mutex_lock(&plc->lock);
    bool closed = plc->coils[K1];
    pthread_mutex_unlock(&plc->lock);
    return closed;
}

void plc_close(struct plc *plc) {
    pthread_mutex_lock(&plc->lock);
    plc->coils[K1] = true;
    pthread_mutex_unlock(&plc->lock);
}

int64_t plc_opened(struct plc *plc) {
    pthread_mutex_lock(&plc->lock);
    int64_t opened_ns = plc->opened_ns;
    pthread_mutex_unlock(&plc->lock);
    return opened_ns;
}
