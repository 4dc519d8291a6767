/* An independent Modbus client for judging the stand-in server: libmodbus, one operation a call.
 *
 *   client PORT UNIT OPERATION ADDRESS COUNT|VALUE...
 *
 * Operations: coils inputs holding input (read COUNT), coil register (write one VALUE), write-coils write-registers (VALUEs),
 * float (COUNT floats, high word first, of holding registers). Prints the values on one line, or "error: ..." with libmodbus'
 * words and exit code 1. Answers are waited for 0.4 s.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(void) {
    printf("error: %s\n", modbus_strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    int at = atoi(argv[4]), count = atoi(argv[5]), values = argc - 5;
    const char *operation = argv[3];
    uint16_t registers[256] = {0};
    uint8_t bits[2048] = {0};
    modbus_t *link = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    modbus_set_slave(link, atoi(argv[2]));
    modbus_set_response_timeout(link, 0, 400000);
    if (modbus_connect(link) != 0) return fail();
    for (int i = 0; i < values && i < 256; i++) {
        registers[i] = (uint16_t)atoi(argv[5 + i]);
        bits[i] = (uint8_t)atoi(argv[5 + i]);
    }
    int done = -1, words = 0, flags = 0, floats = 0;
    if (!strcmp(operation, "coils")) done = flags = modbus_read_bits(link, at, count, bits);
    else if (!strcmp(operation, "inputs")) done = flags = modbus_read_input_bits(link, at, count, bits);
    else if (!strcmp(operation, "holding")) done = words = modbus_read_registers(link, at, count, registers);
    else if (!strcmp(operation, "input")) done = words = modbus_read_input_registers(link, at, count, registers);
    else if (!strcmp(operation, "coil")) done = modbus_write_bit(link, at, count);
    else if (!strcmp(operation, "register")) done = modbus_write_register(link, at, count);
    else if (!strcmp(operation, "write-coils")) done = modbus_write_bits(link, at, values, bits);
    else if (!strcmp(operation, "write-registers")) done = modbus_write_registers(link, at, values, registers);
    else if (!strcmp(operation, "float")) done = floats = modbus_read_registers(link, at, 2 * count, registers) / 2;
    if (done < 0) return fail();
    for (int i = 0; i < flags; i++) printf("%d ", bits[i]);
    for (int i = 0; i < words; i++) printf("%u ", registers[i]);
    for (int i = 0; i < floats; i++) printf("%.3f ", modbus_get_float_abcd(registers + 2 * i));
    printf("\n");
    modbus_close(link);
    modbus_free(link);
    return 0;
}
