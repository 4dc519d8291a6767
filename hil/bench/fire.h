/* The floor's volley. */

#ifndef BALLAST_BENCH_FIRE_H
#define BALLAST_BENCH_FIRE_H

#include <stdbool.h>

/* Whom to tell from now on, and how. Hedged: as the agent does where packets are lost (avalon only). */
void fire_begin(int net, int miners, bool luxos, bool hedged);

/* Tells all miners to sleep; how many answered. */
int fire(void);

/* Ends the sessions that a volley at luxos left. */
void fire_end(void);

#endif
