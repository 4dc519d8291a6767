/* A Modbus TCP server on libmodbus, the judge of our client: it shares no code with pymodbus.
 *
 * Standard input gives its registers, one value a line: "holding 19000 4366 8000" or "input 70 4247 0000" (table, first
 * wire address, the registers in hexadecimal). Standard output gets the port that it listens on, then "table first count"
 * for each read. As a Siemens PAC does, it answers exception 2 to a read that starts or ends inside a value; and so it
 * does where there is nothing.
 */
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTHING, STARTS, GOES_ON };

static unsigned char place[2][65537]; /* what each register is to its value; one more that nothing is in */

static void take_registers(modbus_mapping_t *map)
{
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        char *word = strtok(line, " \n");
        int holding = strcmp(word, "holding") == 0;
        int at = atoi(strtok(NULL, " \n"));
        int kind = STARTS;
        while ((word = strtok(NULL, " \n")) != NULL) {
            (holding ? map->tab_registers : map->tab_input_registers)[at] = (uint16_t)strtol(word, NULL, 16);
            place[holding][at++] = (unsigned char)kind;
            kind = GOES_ON;
        }
    }
}

static int may_read(int holding, int first, int count)
{
    if (place[holding][first] != STARTS || place[holding][first + count] == GOES_ON)
        return 0;
    for (int at = first; at < first + count; at++)
        if (place[holding][at] == NOTHING)
            return 0;
    return 1;
}

static void serve(modbus_t *link, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int length;
    while ((length = modbus_receive(link, query)) != -1) {
        const uint8_t *pdu = query + modbus_get_header_length(link);
        int first = pdu[1] << 8 | pdu[2], count = pdu[3] << 8 | pdu[4];
        printf("%s %d %d\n", pdu[0] == 3 ? "holding" : "input", first, count);
        fflush(stdout);
        if ((pdu[0] == 3 || pdu[0] == 4) && first + count <= 65536 && may_read(pdu[0] == 3, first, count))
            modbus_reply(link, query, length, map);
        else
            modbus_reply_exception(link, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
    }
}

int main(void)
{
    modbus_t *link = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 65536, 65536);
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    take_registers(map);
    int listening = modbus_tcp_listen(link, 4);
    if (listening == -1 || getsockname(listening, (struct sockaddr *)&address, &size) == -1) {
        perror("listen");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(link, &listening) != -1) {
        serve(link, map);
        modbus_close(link);
    }
    return 1;
}
