/* MBAP framing (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3) around a device's own answers. */

#define _GNU_SOURCE
#include "server.h"

#include "bench.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 16, HEAD = 7, FRAME_MAX = HEAD + PDU_MAX };

struct server {
    answer_fn *answer;
    void *device;
    int listener;
};

struct client {
    int fd;
    size_t held;
    uint8_t buffer[FRAME_MAX];
};

void put16(uint8_t *to, uint32_t value) {
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

int get16(const uint8_t *from) {
    return from[0] << 8 | from[1];
}

size_t refuse(const uint8_t *request, int code, uint8_t *reply) {
    reply[0] = (uint8_t)(request[0] | 0x80);
    reply[1] = (uint8_t)code;
    return 2;
}

/* Serves what a client sent; false when it is gone or speaks no Modbus. */
static bool serve(struct server *server, struct client *client) {
    ssize_t got = recv(client->fd, client->buffer + client->held, sizeof client->buffer - client->held, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return false;
    client->held += (size_t)got;
    while (client->held >= HEAD) {
        size_t size = 6 + (size_t)get16(client->buffer + 4);
        if (size < HEAD + READ_REQUEST || size > FRAME_MAX) return false;
        if (client->held < size) return true;
        uint8_t reply[FRAME_MAX];
        size_t body = server->answer(server->device, client->buffer + HEAD, size - HEAD, reply + HEAD);
        memcpy(reply, client->buffer, HEAD);
        put16(reply + 4, (uint32_t)body + 1);
        if (send(client->fd, reply, HEAD + body, MSG_NOSIGNAL) != (ssize_t)(HEAD + body)) return false;
        client->held -= size;
        memmove(client->buffer, client->buffer + size, client->held);
    }
    return true;
}

static void *serve_all(void *argument) {
    struct server *server = argument;
    struct client clients[CLIENTS_MAX];
    struct pollfd polled[CLIENTS_MAX + 1] = {{.fd = server->listener, .events = POLLIN}};
    int count = 0;
    for (;;) {
        for (int i = 0; i < count; i++) polled[i + 1] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (poll(polled, (nfds_t)count + 1, -1) < 0 && errno != EINTR) fail("poll");
        for (int i = count - 1; i >= 0; i--) {
            if (polled[i + 1].revents == 0 || serve(server, &clients[i])) continue;
            close(clients[i].fd);
            clients[i] = clients[--count];
        }
        if (polled[0].revents == 0) continue;
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
        if (fd < 0) continue;
        if (count == CLIENTS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        clients[count++] = (struct client){.fd = fd};
    }
    return NULL;
}

int server_start(answer_fn *answer, void *device) {
    struct server *server = malloc(sizeof *server); /* the thread's, for ever */
    pthread_t thread;
    if (server == NULL) fail("malloc");
    *server = (struct server){answer, device, listen_on(loopback(0), CLIENTS_MAX)};
    errno = pthread_create(&thread, NULL, serve_all, server);
    if (errno != 0) fail("pthread_create");
    return port_of(server->listener);
}
