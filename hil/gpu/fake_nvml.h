/* The state that a test and the fake library share: a file that both map. hil/gpu/fake.py has the same layout. */

#include <stdint.h>

enum { MAGIC = 0x474e5646, GPUS_MAX = 16, TRACE_MAX = 32, SECOND = 100, HISTORY_MAX = 512 };

typedef struct {
    uint32_t for_ms, demand_mw;
} Stretch;

typedef struct {
    uint64_t at_ns;
    uint32_t gpu, limit_mw;
} Was;

typedef struct {
    /* written by the test */
    uint32_t lost, hidden;        /* every call answers 15; not counted at all */
    uint32_t no_instant, no_locks; /* an older board */
    uint32_t min_mw, max_mw, default_mw, idle_mw;
    uint32_t demand_mw;           /* what its job would draw; the trace is used while there is one */
    uint32_t sm_mhz_min, sm_mhz_max, memory_mhz;
    uint32_t lag_ms;              /* time constant of power after a new limit or demand */
    uint32_t xid_number, xid_code; /* one more: the event is told to whoever waits */
    uint32_t trace_count;
    Stretch trace[TRACE_MAX];     /* repeated from trace_from_ns on */
    uint64_t trace_from_ns;
    /* written by the library */
    uint32_t limit_mw, lock_low_mhz, lock_high_mhz, persistent, second_at, unused;
    uint64_t stepped_ns;
    double power_w, energy_j;
    double second_w[SECOND];      /* the last second in steps of 10 ms */
} Gpu;

typedef struct {
    uint32_t magic, gpu_count;
    uint32_t error;      /* every call answers this */
    uint32_t denied;     /* what sets something answers 4 */
    uint32_t generation; /* one more: the driver was loaded anew, whoever initialised before must do it again */
    uint32_t hang_gpu;   /* whose calls hang; GPUS_MAX: anybody's */
    char hang[64];       /* the function that hangs, "*": each; "": none */
    uint32_t v2_sets;    /* calls of the setter whose return code the Python binding drops */
    uint32_t history_count;
    Was history[HISTORY_MAX]; /* every limit that was set */
    Gpu gpus[GPUS_MAX];
} State;
