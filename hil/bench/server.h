/* A Modbus TCP server in a thread of its own, because a device does not wait for miners. */

#ifndef BALLAST_BENCH_SERVER_H
#define BALLAST_BENCH_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum { PDU_MAX = 253, READ_REQUEST = 5, REGISTERS_MAX = 125 };
enum { ILLEGAL_FUNCTION = 1, ILLEGAL_ADDRESS = 2, ILLEGAL_VALUE = 3 };

/* Answers one request, function code first; the answer's size. Called from the server's thread alone. */
typedef size_t answer_fn(void *device, const uint8_t *request, size_t size, uint8_t *reply);

/* Listens on a loopback port of the kernel's choice, serves from its own thread for ever, and answers the port. */
int server_start(answer_fn *answer, void *device);

/* An answer that refuses with this code. */
size_t refuse(const uint8_t *request, int code, uint8_t *reply);

/* Big-endian, as all of Modbus. */
void put16(uint8_t *to, uint32_t value);
int get16(const uint8_t *from);

#endif
