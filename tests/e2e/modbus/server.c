/* A Modbus TCP server on libmodbus, the judge of our client: it shares no code with pymodbus.
 *
 * Standard input gives its registers, one value a line: "holding 19000 4366 8000" or "input 70 4247 0000" (table, first
 * wire address, the registers in hexadecimal). "after 5 holding 19000 4366 8000" changes a value once five reads were
 * answered. Standard output gets the port that it listens on, then "table first count" for each read. As a Siemens PAC does, it answers exception 2 to a read that starts or ends inside a value; and so it
 * does where there is nothing.
 */
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTHING, STARTS, GOES_ON };
enum { CHANGES_MAX = 64, LINE_MAX_BYTES = 512 };

static unsigned char place[2][65537]; /* what each register is to its value; one more that nothing is in */

static struct {
    int after; /* reads */
    char line[LINE_MAX_BYTES];
} changes[CHANGES_MAX];
static int changes_count;

static void take_value(modbus_mapping_t *map, char *line)
{
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

static void take_registers(modbus_mapping_t *map)
{
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, stdin)) {
        int after, begins = 0;
        if (sscanf(line, "after %d %n", &after, &begins) == 1 && begins && changes_count < CHANGES_MAX) {
            changes[changes_count].after = after;
            strcpy(changes[changes_count++].line, line + begins);
        } else {
            take_value(map, line);
        }
    }
}

static void change(modbus_mapping_t *map, int reads)
{
    for (int i = 0; i < changes_count; i++)
        if (changes[i].after == reads)
            take_value(map, changes[i].line);
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
    static int reads;
    while ((length = modbus_receive(link, query)) != -1) {
        const uint8_t *pdu = query + modbus_get_header_length(link);
        int first = pdu[1] << 8 | pdu[2], count = pdu[3] << 8 | pdu[4];
        printf("%s %d %d\n", pdu[0] == 3 ? "holding" : "input", first, count);
        fflush(stdout);
        if ((pdu[0] == 3 || pdu[0] == 4) && first + count <= 65536 && may_read(pdu[0] == 3, first, count))
            modbus_reply(link, query, length, map);
        else
            modbus_reply_exception(link, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
        change(map, ++reads);
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
