/* One miner of the fleet, and what it says. */

#ifndef BALLAST_BENCH_FLEET_H
#define BALLAST_BENCH_FLEET_H

#include <stdbool.h>
#include <stdint.h>

enum { REPLY_MAX = 12000, ASLEEP_W = 15 };

struct miner {
    bool on;
    uint32_t session;      /* 0: nobody's */
    int64_t session_until_ns;
    int64_t told_ns; /* 0: not since the frequency was set */
};

/* What these miners draw, and which of the two families they are. */
void replies_begin(int miner_watts, bool are_luxos);

/* One whole reply to a request that was read at read_ns, NUL included; its size. The miner obeys at once. */
int reply_to(char *to, struct miner *miner, const char *request, int64_t read_ns);

/* Of fleet.c: the miner is on from now on or not; its curtailing verb was read. */
void set_on(struct miner *miner, bool on);
void stamp_told(struct miner *miner, int64_t at_ns);

#endif
