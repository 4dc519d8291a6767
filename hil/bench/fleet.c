/* The bench's fleet: N cold miners, the meter in front of them and perhaps a PLC, in one program that stamps what it
 * reads.
 *
 *   fleet NET N WATTS REFRESH_MS avalon|luxos none|contactor|tank     prints "control PORT meter PORT plc PORT" once
 *                                                                     everything listens; without a PLC its port is 0
 *
 * Miner i listens on 127.NET.(i / 250).(i % 250 + 1):4028 and answers as an Avalon A12 does: one request a connection, a
 * reply that ends in NUL, then close. Text and JSON requests; version, summary, devs, stats and its kin, ascset softoff
 * and softon. Replies have the size of the real ones, because parsing them is part of the agent's load. A miner obeys at
 * once: the bench times telling, not hashing. "Told" means that the last byte of softoff was read here; a miner that is
 * told twice (a hedge) counts when it was told first.
 *
 * With luxos it answers as LuxOS does: curtail needs the session that logon gave and logoff ends; a miner has one, it
 * lapses a minute after its last use, and who comes meanwhile is refused (402). "Told" is the last byte of a curtail that
 * was in its session. Reports: version, config, power, devs, summary.
 *
 * A contactor feeds the first FED miners: while it is open they draw nothing and reset whoever connects, and once it is
 * closed they are as they were. A tank cools all of them. A miner that hangs takes connections and never reads.
 *
 * Control, one line each way on loopback TCP (times are CLOCK_MONOTONIC, ns):
 *   frequency HZ     forgets who was told, sets the meter's register      -> changed NS
 *   flow LPM         forgets who was told, sets the tank's register       -> changed NS
 *   told N MS        when N miners are told, or after MS                  -> told COUNT FIRST_NS LAST_NS SERVED_NS VERBS
 *   on N MS          when N miners are on and fed, or after MS            -> on COUNT
 *   opened MS        when the contactor's coil is 0, or after MS          -> opened NS SERVED_NS
 *   wake             all on at once, without a wire, the contactor closed -> on N
 *   hang N           the last N hang, the others don't                    -> hung N
 *   polls            when the newest fast polls of the meter came         -> polls NS NS ...
 */

#define _GNU_SOURCE
#include "bench.h"
#include "fleet.h"
#include "meter.h"
#include "plc.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, REQUEST_MAX = 4096, BACKLOG = 100, FILES_SPARE = 64, FED = 25 };

enum kind { LISTENER, CONNECTION, CONTROL, OPERATOR, SWITCHED, HUNG };

/* What the operator waits for: a count of miners told or on, the contactor, or a deadline. */
struct wait {
    enum { NOTHING, TOLD, ON, OPENED } what;
    int count;
    int64_t until_ns;
};

static struct miner miners[MINERS_MAX];
static int miners_count, watts, on_count, told_count, verbs_count, events, operator_fd = -1;
static int64_t first_ns, last_ns;
static struct wait waiting;
static int hung_count;
static bool fed = true, flow_watched; /* fed: the contactor is closed; flow_watched: not the frequency is timed */
static struct meter meter;
static struct plc plc;

static void watch(int fd, enum kind kind, int miner) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)kind << 60 | (uint64_t)miner << 32 | (uint32_t)fd};
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/* One that hangs reads nothing; its kernel notices all the same that the other side gave up. */
static void watch_hung(int fd) {
    struct epoll_event event = {.events = EPOLLRDHUP, .data.u64 = (uint64_t)HUNG << 60 | (uint32_t)fd};
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static bool is_dark(int miner) {
    return !fed && miner < FED;
}

static int on_and_fed(void) {
    int count = on_count;
    if (fed) return count;
    for (int i = 0; i < FED && i < miners_count; i++) count -= miners[i].on;
    return count;
}

static void tell_meter(void) {
    int on = on_and_fed(), dark = fed ? 0 : FED < miners_count ? FED : miners_count;
    pthread_mutex_lock(&meter.lock);
    meter.miners_w = (double)on * watts + (double)(miners_count - on - dark) * ASLEEP_W;
    pthread_mutex_unlock(&meter.lock);
}

void set_on(struct miner *miner, bool on) {
    if (miner->on == on) return;
    miner->on = on;
    on_count += on ? 1 : -1;
    tell_meter();
}

void stamp_told(struct miner *miner, int64_t at_ns) {
    verbs_count++;
    if (miner->told_ns != 0) return;
    miner->told_ns = last_ns = at_ns;
    if (told_count++ == 0) first_ns = at_ns;
}

/* --- what is served ------------------------------------------------------------------------------------------------------- */

/* Serves a connection; false while nothing has come yet. */
static bool serve_miner(int fd, struct miner *miner) {
    static char request[REQUEST_MAX + 1], reply[REPLY_MAX];
    ssize_t got = recv(fd, request, REQUEST_MAX, 0);
    if (got < 0 && errno == EAGAIN) return false;
    if (got > 0) {
        int64_t read_ns = now_ns();
        request[got] = '\0';
        int size = reply_to(reply, miner, request, read_ns);
        if (send(fd, reply, (size_t)size, MSG_NOSIGNAL) != size && errno != EPIPE && errno != ECONNRESET) perror("fleet: send");
    }
    close(fd); /* which also takes it out of the epoll */
    return true;
}

static void accept_miner(int listener, int miner) {
    static const struct linger RESET = {.l_onoff = 1, .l_linger = 0};
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED) fail("accept4");
        return;
    }
    if (is_dark(miner)) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &RESET, sizeof RESET);
        close(fd);
        return;
    }
    if (miner >= miners_count - hung_count) {
        watch_hung(fd);
        return;
    }
    if (!serve_miner(fd, &miners[miner])) watch(fd, CONNECTION, miner);
}

/* --- what the operator asks --------------------------------------------------------------------------------------------- */

static void answer_operator(const char *line) {
    if (send(operator_fd, line, strlen(line), MSG_NOSIGNAL) < 0) perror("fleet: operator");
}

static int64_t served_ns(void) {
    pthread_mutex_t *lock = flow_watched ? &plc.lock : &meter.lock;
    pthread_mutex_lock(lock);
    int64_t at_ns = flow_watched ? plc.served_ns : meter.served_ns;
    pthread_mutex_unlock(lock);
    return at_ns;
}

static void maybe_end_wait(void) {
    char line[128];
    if (waiting.what == NOTHING) return;
    int count = waiting.what == TOLD ? told_count : waiting.what == ON ? on_and_fed() : plc_opened(&plc) != 0;
    if (count < waiting.count && now_ns() < waiting.until_ns) return;
    if (waiting.what == TOLD)
        snprintf(line, sizeof line, "told %d %lld %lld %lld %d\n", told_count, (long long)first_ns, (long long)last_ns,
                 (long long)served_ns(), verbs_count);
    else if (waiting.what == OPENED)
        snprintf(line, sizeof line, "opened %lld %lld\n", (long long)plc_opened(&plc), (long long)served_ns());
    else
        snprintf(line, sizeof line, "on %d\n", count);
    waiting.what = NOTHING;
    answer_operator(line);
}

static void wake(void) {
    for (int i = 0; i < miners_count; i++) miners[i].on = true;
    on_count = miners_count;
    plc_close(&plc);
    fed = true;
    tell_meter();
}

static void forget_told(void) {
    for (int i = 0; i < miners_count; i++) miners[i].told_ns = 0;
    told_count = verbs_count = 0;
    first_ns = last_ns = 0;
    plc_forget(&plc);
}

static void answer_polls(void) {
    static int64_t polls_ns[POLLS_KEPT];
    static char line[POLLS_KEPT * 20 + 16];
    pthread_mutex_lock(&meter.lock);
    int count = meter.polls_count, first = count > POLLS_KEPT ? count - POLLS_KEPT : 0;
    for (int i = first; i < count; i++) polls_ns[i - first] = meter.polls_ns[i % POLLS_KEPT];
    pthread_mutex_unlock(&meter.lock);
    char *end = line + sprintf(line, "polls");
    for (int i = 0; i < count - first; i++) end += sprintf(end, " %lld", (long long)polls_ns[i]);
    strcpy(end, "\n");
    answer_operator(line);
}

static void obey(const char *line) {
    double value;
    int count, ms;
    char reply[64] = "unknown\n";
    if (sscanf(line, "frequency %lf", &value) == 1) {
        forget_told();
        flow_watched = false;
        snprintf(reply, sizeof reply, "changed %lld\n", (long long)meter_set_frequency(&meter, value));
    } else if (sscanf(line, "flow %lf", &value) == 1) {
        forget_told();
        flow_watched = true;
        snprintf(reply, sizeof reply, "changed %lld\n", (long long)plc_set_flow(&plc, value));
    } else if (sscanf(line, "hang %d", &count) == 1) {
        hung_count = count;
        snprintf(reply, sizeof reply, "hung %d\n", hung_count);
    } else if (strncmp(line, "polls", 5) == 0) {
        answer_polls();
        return;
    } else if (sscanf(line, "opened %d", &ms) == 1) {
        waiting = (struct wait){OPENED, 1, now_ns() + ms * (int64_t)1000000};
        return;
    } else if (strncmp(line, "wake", 4) == 0) {
        wake();
        snprintf(reply, sizeof reply, "on %d\n", on_count);
    } else if (sscanf(line, "told %d %d", &count, &ms) == 2 || sscanf(line, "on %d %d", &count, &ms) == 2) {
        waiting = (struct wait){line[0] == 't' ? TOLD : ON, count, now_ns() + ms * (int64_t)1000000};
        return;
    }
    answer_operator(reply);
}

static void hear_operator(int fd) {
    char line[128];
    ssize_t got = recv(fd, line, sizeof line - 1, 0);
    if (got <= 0) exit(0); /* the bench is gone, and so are we */
    line[got] = '\0';
    obey(line);
}

static void follow_contactor(void) {
    eventfd_t moves;
    eventfd_read(plc.switched, &moves);
    fed = plc_closed(&plc);
    tell_meter();
}

static void serve(struct epoll_event event) {
    int fd = (int)(uint32_t)event.data.u64, miner = (int)(event.data.u64 >> 32 & 0xFFFFFFF);
    switch ((enum kind)(event.data.u64 >> 60)) {
    case LISTENER: accept_miner(fd, miner); break;
    case CONNECTION: serve_miner(fd, &miners[miner]); break;
    case OPERATOR: hear_operator(fd); break;
    case SWITCHED: follow_contactor(); break;
    case HUNG: close(fd); break;
    case CONTROL:
        operator_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (operator_fd < 0) fail("accept4");
        watch(operator_fd, OPERATOR, 0);
        break;
    }
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: fleet NET N WATTS REFRESH_MS avalon|luxos none|contactor|tank\n");
        return 2;
    }
    int net = atoi(argv[1]), control = listen_on(loopback(0), 1);
    miners_count = atoi(argv[2]);
    watts = atoi(argv[3]);
    replies_begin(watts, strcmp(argv[5], "luxos") == 0);
    if (net < 1 || net > 255 || miners_count < 1 || miners_count > MINERS_MAX || watts < 1) fail("arguments out of range");
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    room_for_files(2 * miners_count + FILES_SPARE);
    events = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < miners_count; i++) watch(listen_on(miner_address(net, i), BACKLOG), LISTENER, i);
    watch(control, CONTROL, 0);
    meter.refresh_ns = atoi(argv[4]) * (int64_t)1000000;
    meter.unmetered_w = 60000;
    meter.frequency_hz = 50;
    wake();
    int meter_port = meter_start(&meter), plc_port = 0;
    if (strcmp(argv[6], "none") != 0) {
        plc_port = plc_start(&plc, strcmp(argv[6], "tank") == 0);
        watch(plc.switched, SWITCHED, 0);
    }
    printf("control %d meter %d plc %d\n", port_of(control), meter_port, plc_port);
    fflush(stdout);
    for (;;) {
        struct epoll_event ready[EVENTS];
        int64_t left_ns = waiting.what == NOTHING ? -1 : waiting.until_ns - now_ns();
        int ms = waiting.what == NOTHING ? -1 : left_ns <= 0 ? 0 : (int)(left_ns / 1000000) + 1;
        int count = epoll_wait(events, ready, EVENTS, ms);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) serve(ready[i]);
        maybe_end_wait();
    }
}
