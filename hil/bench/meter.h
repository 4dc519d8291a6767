/* The fleet's meter, as a Modbus TCP server of our own. */

#ifndef BALLAST_BENCH_METER_H
#define BALLAST_BENCH_METER_H

#include <pthread.h>
#include <stdint.h>

enum { POLLS_KEPT = 8192 };

struct meter {
    /* set before meter_start */
    double unmetered_w;  /* drawn beside the miners */
    int64_t refresh_ns;  /* how often power, currents, voltages and energies are renewed */

    pthread_mutex_t lock; /* over all below */
    double miners_w;      /* what the miners draw this instant */
    double frequency_hz;  /* what the register holds from changed_ns on */
    int64_t changed_ns;   /* when frequency_hz was last set */
    int64_t served_ns;    /* when an answer first held it; 0 while none did */
    int64_t renewed_ns;   /* when the rest was last renewed */
    double shown_w, voltage_v[3], import_wh;
    uint32_t noise;
    int64_t polls_ns[POLLS_KEPT]; /* a ring of when the newest fast polls came */
    int polls_count;
};

/* Serves it from now on; its port. */
int meter_start(struct meter *meter);

/* Sets the frequency register now; answers the time of the change. */
int64_t meter_set_frequency(struct meter *meter, double hz);

#endif
