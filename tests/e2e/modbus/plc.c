/* A PLC on libmodbus, the judge of our PLC client: it shares no code with pymodbus.
 *
 * plc tcp            listens on a free port of 127.0.0.1, for up to 8 connections; standard output gets the port first
 * plc PORT           is unit 20 on a serial port
 *
 * Standard input gives values, one a line, at any time: "holding 3 100", "input ...", "discrete 1 1", "coil ...", and
 *   restart            the program starts anew: its coils are 0, its echo too
 *   trip               its watchdog has tripped: every request is answered with exception 4 until "restart"
 *   freeze             the program stands still: nothing is echoed and the counter stops; the server answers on
 * Standard output gets, for each request, its function, address, count or value and the monotonic ns when it was in.
 * The program's round, at each request: holding 0 (heartbeat) goes to 1 (echo), 2 is counted up, and each coil N is
 * followed by its contactor: discrete 2N + 1 (52a) is the coil, 2N + 2 (52b) its opposite.
 */
#include <errno.h>
#include <fcntl.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { UNIT = 20, COILS = 16, CONNECTIONS = 8 };

static modbus_mapping_t *map;
static int tripped, frozen;

static void program_round(void)
{
    if (frozen)
        return;
    map->tab_registers[1] = map->tab_registers[0];
    map->tab_registers[2]++;
    for (int coil = 0; coil < COILS; coil++) {
        map->tab_input_bits[2 * coil + 1] = map->tab_bits[coil];
        map->tab_input_bits[2 * coil + 2] = !map->tab_bits[coil];
    }
}

static void obey(char *line)
{
    char *word = strtok(line, " \n"), *at = strtok(NULL, " \n"), *value = strtok(NULL, " \n");
    if (word == NULL)
        return;
    if (strcmp(word, "trip") == 0)
        tripped = 1;
    if (strcmp(word, "freeze") == 0)
        frozen = 1;
    if (strcmp(word, "restart") == 0) {
        tripped = frozen = 0;
        memset(map->tab_bits, 0, COILS);
        map->tab_registers[0] = map->tab_registers[1] = map->tab_registers[2] = 0;
        program_round();
    }
    if (value != NULL) {
        int place = atoi(at), number = (int)strtol(value, NULL, 0);
        if (strcmp(word, "holding") == 0)
            map->tab_registers[place] = (uint16_t)number;
        if (strcmp(word, "input") == 0)
            map->tab_input_registers[place] = (uint16_t)number;
        if (strcmp(word, "coil") == 0)
            map->tab_bits[place] = (uint8_t)number;
        if (strcmp(word, "discrete") == 0)
            map->tab_input_bits[place] = (uint8_t)number;
    }
    printf("done %s\n", word);
    fflush(stdout);
}

static int answer(modbus_t *link, uint8_t *query)
{
    int length = modbus_receive(link, query);
    struct timespec now;
    if (length <= 0)
        return length;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint8_t *pdu = query + modbus_get_header_length(link);
    printf("%d %d %d %lld\n", pdu[0], pdu[1] << 8 | pdu[2], pdu[3] << 8 | pdu[4],
           (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    fflush(stdout);
    if (tripped) {
        modbus_reply_exception(link, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE);
    } else {
        modbus_reply(link, query, length, map);
        program_round();
    }
    return length;
}

static void take_lines(void)
{
    static char held[4096];
    static size_t size;
    ssize_t got = read(STDIN_FILENO, held + size, sizeof held - size - 1);
    if (got <= 0)
        exit(0);
    size += (size_t)got;
    held[size] = 0;
    for (char *end; (end = strchr(held, '\n')) != NULL;) {
        *end = 0;
        obey(held);
        size -= (size_t)(end + 1 - held);
        memmove(held, end + 1, size + 1);
    }
}

int main(int argc, char **argv)
{
    int tcp = argc == 2 && strcmp(argv[1], "tcp") == 0, count = 2;
    uint8_t query[MODBUS_MAX_ADU_LENGTH];
    struct pollfd watched[2 + CONNECTIONS] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
    modbus_t *link = tcp ? modbus_new_tcp("127.0.0.1", 0) : modbus_new_rtu(argv[1], 115200, 'N', 8, 1);
    map = modbus_mapping_new(64, 64, 64, 64);
    program_round();
    if (tcp) {
        struct sockaddr_in address;
        socklen_t size = sizeof address;
        watched[1].fd = modbus_tcp_listen(link, CONNECTIONS);
        if (watched[1].fd == -1 || getsockname(watched[1].fd, (struct sockaddr *)&address, &size) == -1)
            return 1;
        printf("%d\n", ntohs(address.sin_port));
    } else {
        if (modbus_set_slave(link, UNIT) == -1 || modbus_connect(link) == -1) {
            perror(argv[1]);
            return 1;
        }
        watched[1].fd = modbus_get_socket(link);
        printf("0\n");
    }
    fflush(stdout);
    while (poll(watched, (nfds_t)count, -1) > 0) {
        if (watched[0].revents)
            take_lines();
        for (int place = 2; place < count; place++) {
            if (!watched[place].revents)
                continue;
            modbus_set_socket(link, watched[place].fd);
            if (answer(link, query) == -1) {
                close(watched[place].fd);
                watched[place--] = watched[--count];
            }
        }
        if (watched[1].revents && !tcp)
            answer(link, query);
        if (watched[1].revents && tcp && count < 2 + CONNECTIONS) {
            int listening = watched[1].fd, one = accept(listening, NULL, NULL);
            if (one != -1)
                watched[count++] = (struct pollfd){.fd = one, .events = POLLIN};
        }
    }
    return 1;
}
