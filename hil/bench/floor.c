/* The floor: how fast this machine can do it at all, in C with libmodbus and epoll, doing what the agent must do.
 *
 *   floor METER_PORT NET N avalon|luxos     prints "ready"; then obeys its standard input, one line each:
 *   go                                      polls the meter every 20 ms until it sees the frequency fall below 49.5 Hz
 *                                           after having seen it at or above, tells all N miners to sleep, and prints
 *                                           done ANSWERED SEEN_NS FIRST_NS LAST_NS
 *
 * SEEN is when the meter's answer was in hand, FIRST and LAST when the first connect was issued and the last answer was
 * complete. The fleet's own stamps are what the bench compares; these say where the time went.
 *
 * The volley: non-blocking connects under one epoll, opened in slices of 64 with what is ready serviced in between, the
 * verb in one send when the socket is writable, the reply read to its end, close. A miner that refuses is given up.
 *
 * With luxos each miner takes two round trips, on a connection each: logon, and as soon as its answer gives a session,
 * curtail in it. When all have been told the sessions are ended in the same manner.
 */

#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLICE = 64, EVENTS = 256, POLL_MS = 20, BLOCK_AT = 19000, BLOCK = 52, FREQUENCY = 50, VOLLEY_MS_MAX = 5000, FILES_SPARE = 64 };

static const float SHED_BELOW_HZ = 49.5f;

enum stage { LOGON, VERB, LOGOFF };
enum { SESSION_MAX = 32, REQUEST_SIZE = 128, CONNECTIONS_MAX = MINERS_MAX + FILES_SPARE };

static int net, miners_count, events, open_count, answered;
static bool luxos;
static char verb[96];
static struct {
    int miner;
    enum stage stage;
} connections[CONNECTIONS_MAX]; /* by descriptor */
static char sessions[MINERS_MAX][SESSION_MAX + 1];

static void drop(int fd) {
    close(fd);
    open_count--;
}

static void begin(int miner, enum stage stage) {
    struct sockaddr_in address = miner_address(net, miner);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0 || fd >= CONNECTIONS_MAX) fail("socket");
    open_count++;
    connections[fd].miner = miner;
    connections[fd].stage = stage;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        drop(fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static void send_request(int fd) {
    char request[REQUEST_SIZE];
    const char *text = verb, *session = sessions[connections[fd].miner];
    if (luxos) {
        text = request;
        switch (connections[fd].stage) {
        case LOGON: text = "{\"command\":\"logon\"}"; break;
        case VERB: snprintf(request, sizeof request, "{\"command\":\"curtail\",\"parameter\":\"%s,sleep\"}", session); break;
        case LOGOFF: snprintf(request, sizeof request, "{\"command\":\"logoff\",\"parameter\":\"%s\"}", session); break;
        }
    }
    ssize_t size = (ssize_t)strlen(text);
    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size) {
        drop(fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(events, EPOLL_CTL_MOD, fd, &event) != 0) fail("epoll_ctl");
}

static bool find_session(const char *reply, char *session) {
    const char *at = strstr(reply, "\"SessionID\"");
    return at != NULL && sscanf(at + strlen("\"SessionID\""), " : \"%32[A-Za-z0-9]", session) == 1;
}

/* The reply ends with NUL; the miner closes after it. */
static void read_reply(int fd) {
    char reply[4096];
    ssize_t got = recv(fd, reply, sizeof reply, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got > 0 && reply[got - 1] != '\0') return;
    int miner = connections[fd].miner;
    enum stage stage = connections[fd].stage;
    drop(fd);
    if (got <= 0) return;
    if (stage == VERB) answered++;
    if (stage == LOGON && find_session(reply, sessions[miner])) begin(miner, VERB);
}

static void service(int timeout_ms) {
    struct epoll_event ready[EVENTS];
    int count = epoll_wait(events, ready, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        if (ready[i].events & EPOLLIN) read_reply(ready[i].data.fd);
        else if (ready[i].events & (EPOLLERR | EPOLLHUP)) drop(ready[i].data.fd);
        else if (ready[i].events & EPOLLOUT) send_request(ready[i].data.fd);
    }
}

/* From this stage to the last that follows from its answer, with all miners. */
static void tell_all(enum stage stage) {
    int64_t until_ns = now_ns() + VOLLEY_MS_MAX * (int64_t)1000000;
    for (int i = 0; i < miners_count; i++) {
        begin(i, stage);
        if (i % SLICE == SLICE - 1) service(0);
    }
    while (open_count > 0 && now_ns() < until_ns) service(100);
    if (open_count > 0) fail("miners that never answered");
}

static float read_frequency(modbus_t *meter) {
    uint16_t block[BLOCK];
    if (modbus_read_registers(meter, BLOCK_AT, BLOCK, block) != BLOCK) {
        fprintf(stderr, "floor: meter: %s\n", modbus_strerror(errno));
        exit(1);
    }
    return modbus_get_float_abcd(block + FREQUENCY);
}

/* Returns when the frequency was seen to cross downwards: the time its reading was in hand. */
static int64_t await_crossing(modbus_t *meter) {
    struct timespec next;
    bool was_above = false;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (;;) {
        float frequency_hz = read_frequency(meter);
        if (was_above && frequency_hz < SHED_BELOW_HZ) return now_ns();
        was_above = frequency_hz >= SHED_BELOW_HZ;
        next.tv_nsec += POLL_MS * 1000000;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

int main(int argc, char **argv) {
    char line[64];
    if (argc != 5) {
        fprintf(stderr, "usage: floor METER_PORT NET N avalon|luxos\n");
        return 2;
    }
    modbus_t *meter = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    net = atoi(argv[2]);
    miners_count = atoi(argv[3]);
    luxos = strcmp(argv[4], "luxos") == 0;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    room_for_files(miners_count + FILES_SPARE);
    if (meter == NULL || modbus_set_slave(meter, 1) != 0 || modbus_connect(meter) != 0) fail("meter");
    events = epoll_create1(EPOLL_CLOEXEC);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        snprintf(verb, sizeof verb, "{\"command\":\"ascset\",\"parameter\":\"0,softoff,1:%ld\"}", (long)time(NULL));
        int64_t seen_ns = await_crossing(meter), first_ns = now_ns();
        answered = 0;
        tell_all(luxos ? LOGON : VERB);
        int64_t last_ns = now_ns();
        if (luxos) tell_all(LOGOFF);
        printf("done %d %lld %lld %lld\n", answered, (long long)seen_ns, (long long)first_ns, (long long)last_ns);
        fflush(stdout);
    }
    return 0;
}
