/* See fire.h. The volley: non-blocking connects under one epoll, opened in slices of 64 with what is ready serviced in
 * between, the verb in one send when the socket is writable, the reply read to its end, close. A miner that refuses is
 * given up.
 *
 * With luxos each miner takes two round trips, on a connection each: logon, and as soon as its answer gives a session,
 * curtail in it. When all have been told the sessions are ended in the same manner.
 *
 * Hedged: a miner that has not answered 30 ms after its newest connection was begun gets another, four at most; the
 * first answer wins and the others are reset. Nothing is repeated before all have their first connection.
 */

#define _GNU_SOURCE
#include "fire.h"

#include "bench.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLICE = 64, EVENTS = 256, VOLLEY_MS_MAX = 5000, FILES_SPARE = 64, HEDGES_MAX = 4 };

static const int64_t HEDGE_NS = 30000000;

enum stage { LOGON, VERB, LOGOFF };
enum { SESSION_MAX = 32, REQUEST_SIZE = 128, CONNECTIONS_MAX = HEDGES_MAX * MINERS_MAX + FILES_SPARE };

static int net, miners_count, events, open_count, answered;
static bool luxos, hedged;
static char verb[96];
static struct {
    int miner; /* -1: closed */
    enum stage stage;
} connections[CONNECTIONS_MAX]; /* by descriptor */
static char sessions[MINERS_MAX][SESSION_MAX + 1];

/* Hedging: what each miner has, and whose turn it is when, in that order. */
static struct {
    bool answered;
    int begun;
    int fds[HEDGES_MAX];
} told[MINERS_MAX];
static struct {
    int miner;
    int64_t at_ns;
} due[HEDGES_MAX * MINERS_MAX];
static int due_first, due_count;

static void drop(int fd) {
    close(fd);
    connections[fd].miner = -1;
    open_count--;
}

/* By reset, so that the miner wastes no time on it. */
static void drop_losers(int miner) {
    static const struct linger RESET = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < told[miner].begun; i++) {
        int fd = told[miner].fds[i];
        if (connections[fd].miner != miner) continue;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &RESET, sizeof RESET);
        drop(fd);
    }
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
    if (!hedged) return;
    told[miner].fds[told[miner].begun++] = fd;
    if (told[miner].begun == HEDGES_MAX) return;
    due[due_count].miner = miner;
    due[due_count++].at_ns = now_ns() + HEDGE_NS;
}

/* Begins what is due again; the ms until the next is. */
static int repeat_due(void) {
    for (; due_first < due_count; due_first++) {
        int64_t left_ns = due[due_first].at_ns - now_ns();
        if (told[due[due_first].miner].answered) continue;
        if (left_ns > 0) return (int)(left_ns / 1000000) + 1;
        begin(due[due_first].miner, VERB);
    }
    return 100;
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
    if (hedged) {
        told[miner].answered = true;
        drop_losers(miner);
    }
    if (stage == VERB) answered++;
    if (stage == LOGON && find_session(reply, sessions[miner])) begin(miner, VERB);
}

static void service(int timeout_ms) {
    struct epoll_event ready[EVENTS];
    int count = epoll_wait(events, ready, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        if (connections[ready[i].data.fd].miner < 0) continue;
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
    while (open_count > 0 && now_ns() < until_ns) service(hedged ? repeat_due() : 100);
    if (open_count > 0) fail("miners that never answered");
}

int fire(void) {
    snprintf(verb, sizeof verb, "{\"command\":\"ascset\",\"parameter\":\"0,softoff,1:%ld\"}", (long)time(NULL));
    answered = due_first = due_count = 0;
    memset(told, 0, sizeof told);
    tell_all(luxos ? LOGON : VERB);
    return answered;
}

void fire_end(void) {
    if (luxos) tell_all(LOGOFF);
}

void fire_begin(int on_net, int miners, bool are_luxos, bool hedge) {
    net = on_net;
    miners_count = miners;
    luxos = are_luxos;
    hedged = hedge;
    room_for_files((hedge ? HEDGES_MAX : 1) * miners + FILES_SPARE);
    events = epoll_create1(EPOLL_CLOEXEC);
    if (events < 0) fail("epoll_create1");
}
