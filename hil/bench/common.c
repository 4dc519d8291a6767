/* See bench.h. */

#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

_Noreturn void fail(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

void room_for_files(int files) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
    if (limit.rlim_cur >= (rlim_t)files) return;
    limit.rlim_cur = (rlim_t)files;
    if (limit.rlim_max < limit.rlim_cur) limit.rlim_max = limit.rlim_cur; /* root alone may */
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("too few open files allowed (ulimit -Hn); setrlimit");
}

struct sockaddr_in miner_address(int net, int i) {
    uint32_t host = 127u << 24 | (uint32_t)net << 16 | (uint32_t)(i / MINERS_PER_SUBNET) << 8 | (uint32_t)(i % MINERS_PER_SUBNET + 1);
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(MINER_PORT), .sin_addr.s_addr = htonl(host)};
}

struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int listen_on(struct sockaddr_in address, int backlog) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0) fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fprintf(stderr, "%s:%d: ", inet_ntoa(address.sin_addr), ntohs(address.sin_port));
        fail("bind");
    }
    if (listen(fd, backlog) != 0) fail("listen");
    return fd;
}

int port_of(int fd) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) fail("getsockname");
    return ntohs(address.sin_port);
}
