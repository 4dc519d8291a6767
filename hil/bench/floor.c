/* The floor: how fast this machine can do it at all, in C with libmodbus and epoll, doing what the agent must do.
 *
 *   floor METER_PORT NET N avalon|luxos volley|hedged        the frequency falls: tells all N miners to sleep
 *   floor METER_PORT NET N avalon|luxos coil PLC_PORT        the frequency falls: sets the PLC's coil k1 to 0
 *   floor METER_PORT NET N avalon|luxos tank PLC_PORT        the flow is low for FOR_MS: tells all N miners to sleep
 *
 * Prints "ready"; then obeys its standard input, one line each:
 *   go      polls the meter every 20 ms until it sees the frequency fall below 49.5 Hz after having seen it at or above,
 *           or the tank's PLC every 200 ms until a poll saw the flow fall below 60 l/min and none for 200 ms another
 *           value; does what it has to, and prints
 *           done ANSWERED SEEN_NS LAST_NS
 *
 * SEEN is when the meter's answer was in hand, LAST when the last answer was complete. The fleet's own stamps are what
 * the bench compares; these say where the time went.
 */

#define _GNU_SOURCE
#include "bench.h"
#include "fire.h"

#include <errno.h>
#include <modbus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { METER_MS = 20, BLOCK_AT = 19000, BLOCK = 52, FREQUENCY = 50 };
enum { TANK_MS = 200, TANK_BLOCK = 21, FLOW = 1, FLOW_MIN = 600, FOR_MS = 200, K1 = 0 };

static const float SHED_BELOW_HZ = 49.5f;
static const int64_t MS = 1000000;

static modbus_t *connect_to(const char *port, int unit) {
    modbus_t *device = modbus_new_tcp("127.0.0.1", atoi(port));
    if (device == NULL || modbus_set_slave(device, unit) != 0 || modbus_connect(device) != 0) fail(port);
    return device;
}

static void read_block(modbus_t *device, int at, int count, uint16_t *block) {
    if (modbus_read_registers(device, at, count, block) == count) return;
    fprintf(stderr, "floor: register %d: %s\n", at, modbus_strerror(errno));
    exit(1);
}

static void sleep_until(int64_t at_ns) {
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Returns when the frequency was seen to cross downwards: the time its reading was in hand. */
static int64_t await_crossing(modbus_t *meter) {
    uint16_t block[BLOCK];
    bool was_above = false;
    for (int64_t next_ns = now_ns();; next_ns += METER_MS * MS) {
        sleep_until(next_ns);
        read_block(meter, BLOCK_AT, BLOCK, block);
        float frequency_hz = modbus_get_float_abcd(block + FREQUENCY);
        if (was_above && frequency_hz < SHED_BELOW_HZ) return now_ns();
        was_above = frequency_hz >= SHED_BELOW_HZ;
    }
}

/* Returns when the flow had been seen low for its time: when a reading first showed it. */
static int64_t await_low_flow(modbus_t *plc) {
    uint16_t block[TANK_BLOCK];
    bool was_above = false;
    int64_t low_ns = 0;
    for (int64_t next_ns = now_ns();; next_ns += TANK_MS * MS) {
        if (low_ns != 0 && low_ns + FOR_MS * MS <= next_ns) {
            sleep_until(low_ns + FOR_MS * MS);
            return low_ns;
        }
        sleep_until(next_ns);
        read_block(plc, 0, TANK_BLOCK, block);
        bool above = block[FLOW] >= FLOW_MIN;
        if (above) low_ns = 0;
        else if (was_above && low_ns == 0) low_ns = now_ns();
        was_above |= above;
    }
}

int main(int argc, char **argv) {
    char line[64];
    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: floor METER_PORT NET N avalon|luxos volley|hedged|coil|tank [PLC_PORT]\n");
        return 2;
    }
    const char *what = argv[5];
    bool is_tank = strcmp(what, "tank") == 0, is_coil = strcmp(what, "coil") == 0;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    modbus_t *meter = connect_to(argv[1], 1), *plc = argc == 7 ? connect_to(argv[6], is_tank ? 3 : 20) : NULL;
    if ((is_tank || is_coil) && plc == NULL) fail("no PLC_PORT");
    fire_begin(atoi(argv[2]), atoi(argv[3]), strcmp(argv[4], "luxos") == 0, strcmp(what, "hedged") == 0);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t seen_ns = is_tank ? await_low_flow(plc) : await_crossing(meter);
        int answered = is_coil ? modbus_write_bit(plc, K1, 0) : fire();
        int64_t last_ns = now_ns();
        fire_end();
        printf("done %d %lld %lld\n", answered, (long long)seen_ns, (long long)last_ns);
        fflush(stdout);
    }
    return 0;
}
