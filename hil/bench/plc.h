/* The fleet's PLC: that of a contactor which feeds the first miners, or that of the tank which cools all of them. */

#ifndef BALLAST_BENCH_PLC_H
#define BALLAST_BENCH_PLC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { PLC_REGISTERS = 32, PLC_COILS = 16, PLC_INPUTS = 48 };

struct plc {
    bool tank; /* else a contactor's */
    int switched; /* an eventfd that is readable when the contactor was told something new */

    pthread_mutex_t lock; /* over all below */
    uint16_t registers[PLC_REGISTERS];
    bool coils[PLC_COILS];
    int64_t served_ns; /* when an answer first held what plc_set_flow set; 0 while none did */
    int64_t opened_ns; /* when coil k1 was first set to 0 since plc_forget; 0 while it was not */
};

/* Serves it from now on; its port. */
int plc_start(struct plc *plc, bool tank);

/* Sets the condenser's flow now; answers the time of the change. */
int64_t plc_set_flow(struct plc *plc, double lpm);

/* Forgets when the contactor was opened. */
void plc_forget(struct plc *plc);

/* When the contactor was first told to open since then; 0 while it was not. */
int64_t plc_opened(struct plc *plc);

/* Whether the contactor is closed; closes it without a wire. */
bool plc_closed(struct plc *plc);
void plc_close(struct plc *plc);

#endif
