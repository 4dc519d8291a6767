/* A libnvidia-ml.so.1 without a GPU: the names and layouts of NVIDIA's public nvml.h (API 13) as nvidia-ml-py calls
 * them, over a file that a test maps too (FAKE_NVML names it). Limits are followed with a lag, energy integrates, and
 * whatever a sick driver does can be had: a call that never comes back, a lost GPU, XID events, denial, a driver that
 * is loaded anew.
 *
 * Power is stepped every 10 ms of real time, at the next call: towards the least of the job's demand, what its clock
 * allows (by the square of the clock) and the limit, with the time constant lag_ms.
 *
 * cc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 fake_nvml.c -lm -pthread
 */
#define _GNU_SOURCE
#include "fake_nvml.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, DENIED = 4, NOT_FOUND = 6, TOO_SMALL = 7,
    NOT_LOADED = 9, TIMEOUT = 10, LOST = 15
};
enum { FIELD_MEMORY_TEMP = 82, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186, TYPE_UINT = 1 };
enum { CLOCK_MEMORY = 2, XID_EVENT = 8, STEP_NS = 10000000, STEPS_MAX = 12000 };

typedef struct { uint32_t gpu, memory; } Utilization;
typedef struct { uint32_t version, sensor; int32_t celsius; } Temperature;
typedef struct {
    uint32_t field, scope;
    int64_t at_us, took_us;
    uint32_t type, result;
    union { double d; uint32_t u; uint64_t ull; } value;
} Field;
typedef struct { void *device; uint64_t type, data; uint32_t gpu_instance, compute_instance; } Event;
typedef struct {
    char bus_legacy[16];
    uint32_t domain, bus, device, id, subsystem;
    char bus_id[32];
} Pci;

static State *state;
static int state_file = -1;
static uint32_t generation;
static int handles[GPUS_MAX];
static uint32_t told_xids[GPUS_MAX];
static pthread_mutex_t ours = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void doze(void) {
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static uint32_t demand_of(const Gpu *gpu, uint64_t at_ns) {
    uint64_t whole_ms = 0, at_ms;
    for (uint32_t i = 0; i < gpu->trace_count; i++) whole_ms += gpu->trace[i].for_ms;
    if (whole_ms == 0 || at_ns < gpu->trace_from_ns) return gpu->demand_mw;
    at_ms = (at_ns - gpu->trace_from_ns) / 1000000 % whole_ms;
    for (uint32_t i = 0; i < gpu->trace_count; i++) {
        if (at_ms < gpu->trace[i].for_ms) return gpu->trace[i].demand_mw;
        at_ms -= gpu->trace[i].for_ms;
    }
    return gpu->demand_mw;
}

static double clock_mhz(const Gpu *gpu) {
    return gpu->lock_high_mhz ? fmin(gpu->lock_high_mhz, gpu->sm_mhz_max) : gpu->sm_mhz_max;
}

static double wanted_w(const Gpu *gpu, uint64_t at_ns) { /* without its limit */
    double idle = gpu->idle_mw / 1e3, demand = demand_of(gpu, at_ns) / 1e3, clock = clock_mhz(gpu) / gpu->sm_mhz_max;
    return demand <= idle ? idle : idle + (demand - idle) * clock * clock;
}

static void step(Gpu *gpu) {
    uint64_t now = now_ns();
    double share = gpu->lag_ms ? 1 - exp(-10.0 / gpu->lag_ms) : 1;
    if (gpu->stepped_ns == 0 || now - gpu->stepped_ns > (uint64_t)STEPS_MAX * STEP_NS) gpu->stepped_ns = now - STEP_NS;
    while (gpu->stepped_ns + STEP_NS <= now) {
        gpu->stepped_ns += STEP_NS;
        double target = fmax(gpu->idle_mw / 1e3, fmin(wanted_w(gpu, gpu->stepped_ns), gpu->limit_mw / 1e3));
        gpu->power_w += (target - gpu->power_w) * share;
        gpu->energy_j += gpu->power_w * STEP_NS / 1e9;
        gpu->second_w[gpu->second_at++ % SECOND] = gpu->power_w;
    }
}

static void lock(void) {
    pthread_mutex_lock(&ours);
    while (flock(state_file, LOCK_EX)) doze(); /* between processes: the kernel drops a killed one's */
}

static void unlock(void) {
    flock(state_file, LOCK_UN);
    pthread_mutex_unlock(&ours);
}

static int hangs(const char *name, int gpu) {
    volatile const State *now = state;
    char hang[sizeof state->hang];
    memcpy(hang, state->hang, sizeof hang);
    hang[sizeof hang - 1] = 0;
    if (!hang[0] || (strcmp(hang, "*") && strcmp(hang, name))) return 0;
    return now->hang_gpu >= GPUS_MAX || (int)now->hang_gpu == gpu;
}

/* What every call begins with; OK means that the lock is held. */
static int begin(const char *name, int gpu) {
    if (state == NULL) return UNINITIALIZED;
    while (hangs(name, gpu)) doze();
    lock();
    int result = OK;
    if (state->error) result = (int)state->error;
    else if (generation != state->generation) result = UNINITIALIZED;
    else if (gpu >= (int)state->gpu_count) result = INVALID;
    else if (gpu >= 0 && state->gpus[gpu].lost) result = LOST;
    if (result != OK) unlock();
    else if (gpu >= 0) step(&state->gpus[gpu]);
    return result;
}

static int end(int result) {
    unlock();
    return result;
}

static int index_of(const void *handle) {
    long index = (const int *)handle - handles;
    return index >= 0 && index < GPUS_MAX ? (int)index : GPUS_MAX;
}

#define BEGIN(handle)                          \
    int at = index_of(handle);                 \
    int fault = begin(__func__, at);           \
    if (fault != OK) return fault;             \
    Gpu *gpu = &state->gpus[at];               \
    (void)gpu

/* --- the library and its GPUs ---------------------------------------------------------------------------------- */

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (state == NULL) {
        const char *path = getenv("FAKE_NVML");
        int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped == MAP_FAILED) return NOT_LOADED;
        state_file = file;
        state = mapped;
    }
    while (hangs(__func__, -1)) doze();
    if (state->magic != MAGIC) return NOT_LOADED;
    if (state->error) return state->error == UNINITIALIZED ? NOT_LOADED : (int)state->error;
    generation = state->generation;
    return OK;
}

int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int result) {
    static char text[32];
    snprintf(text, sizeof text, "fake error %d", result);
    return text;
}

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    int fault = begin(__func__, -1);
    if (fault != OK) return fault;
    snprintf(text, size, "580.00.%02u", state->generation);
    return end(OK);
}

static int shown(uint32_t nth) { /* the nth GPU that isn't hidden */
    for (int at = 0; at < (int)state->gpu_count; at++)
        if (!state->gpus[at].hidden && nth-- == 0) return at;
    return -1;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    int fault = begin(__func__, -1);
    if (fault != OK) return fault;
    for (*count = 0; shown(*count) >= 0; ++*count) {}
    return end(OK);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    int fault = begin(__func__, -1);
    if (fault != OK) return fault;
    int at = shown(index);
    if (at < 0) return end(INVALID);
    if (state->gpus[at].lost) return end(LOST);
    *handle = &handles[at];
    return end(OK);
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    BEGIN(handle);
    snprintf(text, size, "GPU-%08x-0000-4000-8000-%012x", 0xfa4e0000u, at);
    return end(OK);
}

int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    BEGIN(handle);
    snprintf(text, size, "NVIDIA H100 80GB HBM3 (fake)");
    return end(OK);
}

int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci) {
    BEGIN(handle);
    memset(pci, 0, sizeof *pci);
    pci->bus = (uint32_t)at + 1;
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", at + 1);
    return end(OK);
}

/* --- readings -------------------------------------------------------------------------------------------------- */

static uint32_t second_mw(const Gpu *gpu) {
    uint32_t count = gpu->second_at < SECOND ? gpu->second_at : SECOND;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += gpu->second_w[i];
    return count ? (uint32_t)(sum / count * 1e3) : 0;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) {
    BEGIN(handle);
    *mw = second_mw(gpu);
    return end(OK);
}

int nvmlDeviceGetFieldValues(void *handle, int count, Field *fields) {
    int at = index_of(handle);
    int fault = begin(__func__, at);
    if (fault != OK && fault != LOST) return fault;
    for (int i = 0; i < count; i++) { /* a lost GPU: no error of the call, one in every field */
        Field *field = &fields[i];
        field->type = TYPE_UINT;
        field->result = fault == LOST ? LOST : OK;
        if (fault == LOST) continue;
        Gpu *gpu = &state->gpus[at];
        if (field->field == FIELD_POWER_INSTANT && !gpu->no_instant) field->value.u = (uint32_t)(gpu->power_w * 1e3);
        else if (field->field == FIELD_POWER_AVERAGE && !gpu->no_instant) field->value.u = second_mw(gpu);
        else if (field->field == FIELD_MEMORY_TEMP) field->value.u = (uint32_t)(35 + 45 * gpu->power_w / 700);
        else field->result = NOT_SUPPORTED;
    }
    return fault == LOST ? OK : end(OK);
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, uint64_t *mj) {
    BEGIN(handle);
    *mj = (uint64_t)(gpu->energy_j * 1e3);
    return end(OK);
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *busy) {
    BEGIN(handle);
    double demand = demand_of(gpu, gpu->stepped_ns), idle = gpu->idle_mw;
    busy->gpu = demand <= idle ? 0 : (uint32_t)fmin(100, 100 * (demand - idle) / (gpu->max_mw - idle));
    busy->memory = busy->gpu / 2;
    return end(OK);
}

static int celsius(const Gpu *gpu) { return (int)(30 + 40 * gpu->power_w / 700); }

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *value) {
    BEGIN(handle);
    if (sensor != 0) return end(INVALID);
    *value = (unsigned)celsius(gpu);
    return end(OK);
}

int nvmlDeviceGetTemperatureV(void *handle, Temperature *asked) {
    BEGIN(handle);
    if (asked->version != (sizeof *asked | 1u << 24)) return end(25);
    asked->celsius = celsius(gpu);
    return end(OK);
}

static int idle(const Gpu *gpu) { return demand_of(gpu, gpu->stepped_ns) <= gpu->idle_mw; }

static int capped(const Gpu *gpu) { return wanted_w(gpu, gpu->stepped_ns) > gpu->limit_mw / 1e3; }

int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) {
    BEGIN(handle);
    double clock = idle(gpu) ? gpu->sm_mhz_min : clock_mhz(gpu);
    if (!idle(gpu) && capped(gpu)) clock *= sqrt(gpu->limit_mw / 1e3 / wanted_w(gpu, gpu->stepped_ns));
    *mhz = kind == CLOCK_MEMORY ? gpu->memory_mhz : (unsigned)fmax(clock, gpu->sm_mhz_min);
    return end(OK);
}

int nvmlDeviceGetMaxClockInfo(void *handle, int kind, unsigned *mhz) {
    BEGIN(handle);
    *mhz = kind == CLOCK_MEMORY ? gpu->memory_mhz : gpu->sm_mhz_max;
    return end(OK);
}

int nvmlDeviceGetSupportedMemoryClocks(void *handle, unsigned *count, unsigned *mhz) {
    BEGIN(handle);
    int room = mhz != NULL && *count >= 1;
    *count = 1;
    if (!room) return end(TOO_SMALL);
    mhz[0] = gpu->memory_mhz;
    return end(OK);
}

int nvmlDeviceGetSupportedGraphicsClocks(void *handle, unsigned memory_mhz, unsigned *count, unsigned *mhz) {
    BEGIN(handle);
    if (memory_mhz != gpu->memory_mhz) return end(NOT_FOUND);
    if (gpu->no_locks) return end(NOT_SUPPORTED);
    int room = mhz != NULL && *count >= 2;
    *count = 2;
    if (!room) return end(TOO_SMALL);
    mhz[0] = gpu->sm_mhz_max;
    mhz[1] = gpu->sm_mhz_min;
    return end(OK);
}

int nvmlDeviceGetCurrentClocksEventReasons(void *handle, uint64_t *reasons) {
    BEGIN(handle);
    *reasons = (idle(gpu) ? 1u : 0u) | (!idle(gpu) && capped(gpu) ? 4u : 0u);
    return end(OK);
}

/* --- limits and clocks ----------------------------------------------------------------------------------------- */

int nvmlDeviceGetPowerManagementLimit(void *handle, unsigned *mw) {
    BEGIN(handle);
    *mw = gpu->limit_mw;
    return end(OK);
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) {
    BEGIN(handle);
    *mw = gpu->limit_mw;
    return end(OK);
}

int nvmlDeviceGetPowerManagementDefaultLimit(void *handle, unsigned *mw) {
    BEGIN(handle);
    *mw = gpu->default_mw;
    return end(OK);
}

int nvmlDeviceGetPowerManagementLimitConstraints(void *handle, unsigned *low_mw, unsigned *high_mw) {
    BEGIN(handle);
    *low_mw = gpu->min_mw;
    *high_mw = gpu->max_mw;
    return end(OK);
}

int nvmlDeviceSetPowerManagementLimit(void *handle, unsigned mw) {
    BEGIN(handle);
    if (state->denied) return end(DENIED);
    if (mw < gpu->min_mw || mw > gpu->max_mw) return end(INVALID);
    gpu->limit_mw = mw;
    state->history[state->history_count++ % HISTORY_MAX] = (Was){now_ns(), (uint32_t)at, mw};
    return end(OK);
}

int nvmlDeviceSetPowerManagementLimit_v2(void *handle, void *power) {
    (void)power;
    BEGIN(handle);
    state->v2_sets++;
    return end(NOT_SUPPORTED);
}

int nvmlDeviceSetGpuLockedClocks(void *handle, unsigned low_mhz, unsigned high_mhz) {
    BEGIN(handle);
    if (state->denied) return end(DENIED);
    if (gpu->no_locks) return end(NOT_SUPPORTED);
    if (low_mhz > high_mhz || high_mhz < gpu->sm_mhz_min) return end(INVALID);
    gpu->lock_low_mhz = low_mhz;
    gpu->lock_high_mhz = high_mhz;
    return end(OK);
}

int nvmlDeviceResetGpuLockedClocks(void *handle) {
    BEGIN(handle);
    if (state->denied) return end(DENIED);
    if (gpu->no_locks) return end(NOT_SUPPORTED);
    gpu->lock_low_mhz = gpu->lock_high_mhz = 0;
    return end(OK);
}

int nvmlDeviceGetPersistenceMode(void *handle, unsigned *mode) {
    BEGIN(handle);
    *mode = gpu->persistent;
    return end(OK);
}

int nvmlDeviceSetPersistenceMode(void *handle, unsigned mode) {
    BEGIN(handle);
    if (state->denied) return end(DENIED);
    gpu->persistent = mode;
    return end(OK);
}

/* --- events ---------------------------------------------------------------------------------------------------- */

int nvmlEventSetCreate(void **set) {
    int fault = begin(__func__, -1);
    if (fault != OK) return fault;
    for (int at = 0; at < GPUS_MAX; at++) told_xids[at] = state->gpus[at].xid_number;
    *set = told_xids;
    return end(OK);
}

int nvmlDeviceGetSupportedEventTypes(void *handle, uint64_t *types) {
    BEGIN(handle);
    *types = XID_EVENT;
    return end(OK);
}

int nvmlDeviceRegisterEvents(void *handle, uint64_t types, void *set) {
    (void)set;
    BEGIN(handle);
    return end(types & ~(uint64_t)XID_EVENT ? NOT_SUPPORTED : OK);
}

int nvmlEventSetWait_v2(void *set, Event *event, unsigned ms) {
    (void)set;
    uint64_t until = now_ns() + ms * 1000000ull;
    do {
        int fault = begin(__func__, -1);
        if (fault != OK) return fault;
        for (int at = 0; at < (int)state->gpu_count; at++) {
            if (told_xids[at] == state->gpus[at].xid_number) continue;
            told_xids[at] = state->gpus[at].xid_number;
            *event = (Event){&handles[at], XID_EVENT, state->gpus[at].xid_code, 0, 0};
            return end(OK);
        }
        end(OK);
        doze();
    } while (now_ns() < until);
    return TIMEOUT;
}

int nvmlEventSetFree(void *set) {
    (void)set;
    return OK;
}
