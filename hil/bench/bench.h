/* What the bench's C programs share: one clock, one way to fail, one way to say where miner i lives. */

#ifndef BALLAST_BENCH_H
#define BALLAST_BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { MINER_PORT = 4028, MINERS_PER_SUBNET = 250, MINERS_MAX = 60 * MINERS_PER_SUBNET };

/* CLOCK_MONOTONIC: comparable between processes of one machine. */
int64_t now_ns(void);

/* Prints "program: what: errno's text" and exits 1. */
_Noreturn void fail(const char *what);

/* Room for this many open files, hard limit included where we may. Fails when it can't be had. */
void room_for_files(int files);

/* Miner i of the fleet on 127.NET: 127.NET.(i / 250).(i % 250 + 1), port 4028, as a site's subnets are laid out. */
struct sockaddr_in miner_address(int net, int i);

/* A listening or connecting TCP socket, non-blocking, on this address. Fails when it can't be had. */
int listen_on(struct sockaddr_in address, int backlog);

/* 127.0.0.1 with this port; 0 lets the kernel choose. */
struct sockaddr_in loopback(int port);

/* The port that a listening socket got. */
int port_of(int fd);

#endif
