/* A meter on libmodbus for `ballast-hil probe`: an independent device that shares no code with the stand-ins.
 *
 * As a Carlo Gavazzi EM24 does, it shows signed 32-bit counts with the low word first, in input registers alone: voltages of
 * 0.1 V at 0, 2 and 4, power of 0.1 W at 40, frequency (16 bits, 0.1 Hz) at 55. Every `argv[1]` ms the power is renewed.
 * Unit 7; others are not answered. Standard output gets its port. It serves several connections, and reads of at most
 * 40 registers. Writes end it, with exit status 3: a probe must not write.
 */
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { UNIT = 7, REGISTERS = 60, READ_MAX = 40 };

static void show32(modbus_mapping_t *map, int at, int32_t count)
{
    map->tab_input_registers[at] = (uint16_t)(count & 0xFFFF);
    map->tab_input_registers[at + 1] = (uint16_t)((uint32_t)count >> 16);
}

static void renew(modbus_mapping_t *map, long period_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long window = (now.tv_sec * 1000L + now.tv_nsec / 1000000L) / period_ms;
    for (int phase = 0; phase < 3; phase++)
        show32(map, 2 * phase, 2310 + phase);
    show32(map, 40, 150000 + (int32_t)(window * 7919 % 1000));
    map->tab_input_registers[55] = 500;
}

static void answer(modbus_t *link, modbus_mapping_t *map, const uint8_t *query, int length)
{
    const uint8_t *pdu = query + modbus_get_header_length(link);
    if (pdu[-1] != UNIT)
        return;
    if (pdu[0] == 5 || pdu[0] == 6 || pdu[0] == 15 || pdu[0] == 16)
        exit(3);
    if (pdu[0] != 4)
        modbus_reply_exception(link, query, MODBUS_EXCEPTION_ILLEGAL_FUNCTION);
    else if ((pdu[3] << 8 | pdu[4]) > READ_MAX)
        modbus_reply_exception(link, query, MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE);
    else
        modbus_reply(link, query, length, map);
}

int main(int argc, char **argv)
{
    long period_ms = argc > 1 ? atol(argv[1]) : 250;
    modbus_t *link = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 0, REGISTERS);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int listening = modbus_tcp_listen(link, 8);
    if (map == NULL || listening == -1 || getsockname(listening, (struct sockaddr *)&address, &size) == -1)
        return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    fd_set all;
    FD_ZERO(&all);
    FD_SET(listening, &all);
    for (int last = listening;;) {
        fd_set ready = all;
        if (select(last + 1, &ready, NULL, NULL, NULL) == -1)
            return 1;
        for (int fd = 0; fd <= last; fd++) {
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listening) {
                int one = modbus_tcp_accept(link, &listening);
                FD_SET(one, &all);
                last = one > last ? one : last;
                continue;
            }
            modbus_set_socket(link, fd);
            int length = modbus_receive(link, query);
            if (length > 0) {
                renew(map, period_ms);
                answer(link, map, query, length);
            } else if (length == -1) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}
