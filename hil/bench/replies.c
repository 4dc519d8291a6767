/* See fleet.h. Replies are as long as real ones, because parsing them is part of the agent's load. */

#define _GNU_SOURCE
#include "fleet.h"

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t SESSION_NS = 60000000000;

static bool luxos;
static uint32_t sessions_count;
static int watts;
static char chips[8000]; /* the per-chip figures that make a real reply long */

static void write_chips(void) {
    static const char *const NAMES[] = {"PVT_T", "PVT_V", "MW"};
    static const int VALUES[] = {65, 306, 622};
    char *end = chips;
    for (int name = 0; name < 3; name++)
        for (int board = 0; board < 3; board++) {
            end += sprintf(end, "%s%d[", NAMES[name], board);
            for (int chip = 0; chip < 120; chip++) end += sprintf(end, " %d", VALUES[name] + chip % 7);
            end += sprintf(end, "] ");
        }
}

/* One whole reply in the form it was asked in, NUL included; its size. */
static int reply_with(char *to, bool json, const char *letter, int code, const char *message, const char *section) {
    long now_s = (long)time(NULL);
    int size = json ? snprintf(to, REPLY_MAX,
                               "{\"STATUS\":[{\"STATUS\":\"%s\",\"When\":%ld,\"Code\":%d,\"Msg\":\"%s\",\"Description\":\"cgminer 4.11.1\"}]%s%s,\"id\":1}",
                               letter, now_s, code, message, *section ? "," : "", section)
                    : snprintf(to, REPLY_MAX, "STATUS=%s,When=%ld,Code=%d,Msg=%s,Description=cgminer 4.11.1|%s%s", letter, now_s, code,
                               message, section, *section ? "|" : "");
    return size + 1;
}

static int reply_version(char *to, bool json) {
    return reply_with(to, json, "S", 22, "CGMiner versions",
                      json ? "\"VERSION\":[{\"CGMiner\":\"4.11.1\",\"API\":\"3.7\",\"PROD\":\"AvalonMiner 1246\",\"MODEL\":\"1246\",\"DNA\":\"02010000cbd2fd6d\"}]"
                           : "VERSION,CGMiner=4.11.1,API=3.7,PROD=AvalonMiner 1246,MODEL=1246,DNA=02010000cbd2fd6d");
}

static int reply_summary(char *to, bool json, const struct miner *miner) {
    char section[256];
    snprintf(section, sizeof section,
             json ? "\"SUMMARY\":[{\"Elapsed\":24684,\"MHS av\":79656630.0,\"MHS 5s\":%s,\"Accepted\":4103,\"Rejected\":12}]"
                  : "SUMMARY,Elapsed=24684,MHS av=79656630.0,MHS 5s=%s,Accepted=4103,Rejected=12",
             miner->on ? "81072680.0" : "0.0");
    return reply_with(to, json, "S", 11, "Summary", section);
}

static int reply_stats(char *to, bool json, const struct miner *miner) {
    static char section[REPLY_MAX];
    int wall_w = miner->on ? watts : ASLEEP_W, elapsed_s = (int)(now_ns() / 1000000000 % 100000);
    snprintf(section, sizeof section,
             "%sVer[1246-83-21072802_4ec6bb0_211fc46] DNA[02010000cbd2fd6d] SYSTEMSTATU[Work: In %s, Hash Board: 3 ] Elapsed[%d] "
             "Temp[30] TMax[%d] TAvg[%d] Fan1[5344] Fan2[5392] PS[0 1214 %d %d %d 1320 %d] GHSspd[%s] DHspd[2.732%%] GHSmm[83923.04] "
             "GHSavg[79656.63] TA[360] Core[A3201] PING[443] SoftOFF[%d] ECHU[0 0 0] ECMM[0] %sCRC[0 0 0] MPO[%d] WORKMODE[1]%s",
             json ? "\"STATS\":[{\"STATS\":0,\"ID\":\"AVA100\",\"Elapsed\":24684,\"MM ID0\":\"" : "STATS=0,ID=AVA100,Elapsed=24684,MM ID0=",
             miner->on ? "Work" : "Idle", elapsed_s, miner->on ? 77 : 0, miner->on ? 65 : 0, miner->on ? 1316 : 4,
             wall_w * 1000 / 1320, wall_w * 91 / 100, wall_w, miner->on ? "81072.68" : "0.00", miner->on ? 0 : 4, chips, watts,
             json ? "\",\"MM Count\":1}]" : ",MM Count=1");
    return reply_with(to, json, "S", 70, "CGMiner stats", section);
}

/* ascset 0,softoff,1:T or 0,softon,1:T */
static int reply_ascset(char *to, bool json, struct miner *miner, const char *request, int64_t read_ns) {
    const char *off = strstr(request, "softoff"), *on = strstr(request, "softon"), *verb = off ? off : on;
    char message[96];
    if (verb == NULL) return reply_with(to, json, "E", 120, "ASC 0 set failed: unknown option", "");
    const char *when = strstr(verb, "1:");
    if (off != NULL) stamp_told(miner, read_ns);
    set_on(miner, off == NULL);
    snprintf(message, sizeof message, "ASC 0 set info: success %s:%ld", off ? "softoff" : "softon", when ? strtol(when + 2, NULL, 10) : 0);
    return reply_with(to, json, "I", 118, message, "");
}

/* --- LuxOS ---------------------------------------------------------------------------------------------------------------- */

static int reply_luxos(char *to, const char *letter, int code, const char *message, const char *section) {
    return 1 + snprintf(to, REPLY_MAX,
                        "{%s%s\"STATUS\":[{\"Code\":%d,\"Description\":\"LUXminer 2025.4.8.220305-57b389c7\",\"Msg\":\"%s\",\"STATUS\":\"%s\","
                        "\"When\":%ld}],\"id\":1}",
                        section, *section ? "," : "", code, message, letter, (long)time(NULL));
}

static int reply_config(char *to, const struct miner *miner) {
    static char section[2048];
    snprintf(section, sizeof section,
             "\"CONFIG\":[{\"ASC Count\":3,\"BcastAddr\":\"10.1.255.255\",\"ControlBoardType\":\"cvitek\",\"Cooling\":\"Air\","
             "\"CurtailMode\":\"%s\",\"DHCP\":true,\"DNS Servers\":\"\",\"FPGABuildIdStr\":\"2018-35-18 35:00\",\"FeeStatus\":\"Ok\","
             "\"GreenLed\":\"auto\",\"Hostname\":\"bench\",\"Hotplug\":\"None\",\"ImmersionMode\":false,\"IsAtmEnabled\":true,"
             "\"IsPowerSupplyOn\":%s,\"IsSingleVoltage\":true,\"IsTuning\":false,\"Log Interval\":0,\"LogFileLevel\":\"info\","
             "\"Model\":\"Antminer S19k Pro\",\"NameplateTHS\":121.8,\"OS\":\"LuxOS\",\"PGA Count\":0,\"PSULabel\":\"APW121215e\","
             "\"Pool Count\":4,\"Profile\":\"290MHz\",\"ProfileStep\":\"-12\",\"RedLed\":\"auto\",\"Strategy\":\"Failover\","
             "\"SystemStatus\":\"Normal\",\"UpdateOnStartup\":\"off\",\"UpdateSource\":\"\"}]",
             miner->on ? "None" : "Sleep", miner->on ? "true" : "false");
    return reply_luxos(to, "S", 33, "LUXminer config", section);
}

static int reply_devs(char *to, const struct miner *miner) {
    static char section[4096];
    char *end = section + sprintf(section, "\"DEVS\":[");
    for (int board = 0; board < 3; board++)
        end += sprintf(end,
                       "%s{\"ASC\":%d,\"Accepted\":499,\"Board\":\"BHB56903\",\"Connector\":\"J%d\",\"Device Elapsed\":3428,"
                       "\"Device Hardware%%\":0,\"Device Rejected%%\":0,\"Diff1 Work\":14290944,\"Difficulty Accepted\":14290944,"
                       "\"Difficulty Rejected\":0,\"Enabled\":\"Y\",\"Hardware Errors\":0,\"ID\":%d,\"IsRamping\":false,"
                       "\"IsUserShutdown\":false,\"Last Share Difficulty\":32768,\"Last Share Pool\":3,\"Last Share Time\":1760242393,"
                       "\"MHS 15m\":20581707.53531604,\"MHS 1m\":20635064.434732575,\"MHS 30m\":20493265.756300416,"
                       "\"MHS 5m\":20698876.036386784,\"MHS 5s\":%s,\"MHS 60m\":19010712.80173061,\"MHS av\":19067677.327556245,"
                       "\"Name\":\"\",\"Nominal MHS\":20651400.0,\"Profile\":\"290MHz\",\"Rejected\":0,\"Status\":\"Alive\","
                       "\"Temperature\":%d,\"Total MH\":19067677.327556245,\"Utility\":0}",
                       board ? "," : "", board, board + 6, board, miner->on ? "20751652.263361264" : "0", miner->on ? 47 : 28);
    strcpy(end, "]");
    return reply_luxos(to, "S", 9, "3 ASC(s)", section);
}

/* Whether the first parameter is the name of the session that the miner has; then it lasts anew. */
static bool in_session(struct miner *miner, const char *request, int64_t read_ns) {
    const char *at = strstr(request, "\"parameter\"");
    unsigned name = 0;
    if (at == NULL || sscanf(at + strlen("\"parameter\""), " : \"%8x", &name) != 1) return false;
    if (name == 0 || name != miner->session || read_ns > miner->session_until_ns) return false;
    miner->session_until_ns = read_ns + SESSION_NS;
    return true;
}

static int reply_logon(char *to, struct miner *miner, int64_t read_ns) {
    char section[64];
    if (miner->session != 0 && read_ns <= miner->session_until_ns) return reply_luxos(to, "E", 402, "Another session is active", "");
    miner->session = ++sessions_count;
    miner->session_until_ns = read_ns + SESSION_NS;
    snprintf(section, sizeof section, "\"SESSION\":[{\"SessionID\":\"%08x\"}]", miner->session);
    return reply_luxos(to, "S", 316, "Session created", section);
}

static int reply_curtail(char *to, struct miner *miner, const char *request, int64_t read_ns) {
    bool sleep = strstr(request, ",sleep\"") != NULL;
    if (sleep) stamp_told(miner, read_ns);
    set_on(miner, !sleep);
    return reply_luxos(to, "S", 335, "Curtailment command sent",
                       sleep ? "\"CURTAIL\":[{\"Action\":\"sleep mode\"}]" : "\"CURTAIL\":[{\"Action\":\"wake up\"}]");
}

static int reply_to_luxos(char *to, struct miner *miner, const char *command, const char *request, int64_t read_ns) {
    char section[128];
    if (strcmp(command, "logon") == 0) return reply_logon(to, miner, read_ns);
    if (strcmp(command, "curtail") == 0 || strcmp(command, "logoff") == 0) {
        if (!in_session(miner, request, read_ns)) return reply_luxos(to, "E", 401, "Invalid session", "");
        if (command[0] == 'c') return reply_curtail(to, miner, request, read_ns);
        miner->session = 0;
        return reply_luxos(to, "S", 317, "Session terminated", "");
    }
    if (strcmp(command, "config") == 0) return reply_config(to, miner);
    if (strcmp(command, "devs") == 0) return reply_devs(to, miner);
    snprintf(section, sizeof section, "\"POWER\":[{\"PSU\":true,\"Watts\":%d}]", miner->on ? watts : ASLEEP_W);
    if (strcmp(command, "power") == 0) return reply_luxos(to, "S", 311, "Power usage", section);
    snprintf(section, sizeof section, "\"SUMMARY\":[{\"Elapsed\":3453,\"GHS 5s\":%s}]", miner->on ? "59756.06" : "0");
    if (strcmp(command, "summary") == 0) return reply_luxos(to, "S", 11, "Summary", section);
    if (strcmp(command, "version") == 0)
        return reply_luxos(to, "S", 22, "LUXminer versions",
                           "\"VERSION\":[{\"API\":\"3.7\",\"LUXminer\":\"2025.4.8.220305-57b389c7\",\"Type\":\"Antminer S19k Pro\"}]");
    return reply_luxos(to, "E", 14, "Invalid command", "");
}

int reply_to(char *to, struct miner *miner, const char *request, int64_t read_ns) {
    bool json = request[0] == '{';
    char command[24] = "";
    const char *at = json ? strstr(request, "\"command\"") : NULL;
    if (json) sscanf(at ? at + strlen("\"command\"") : "", " : \"%23[^\"]", command);
    else sscanf(request, "%23[^|]", command);
    if (luxos) return reply_to_luxos(to, miner, command, request, read_ns);
    if (strcmp(command, "ascset") == 0) return reply_ascset(to, json, miner, request, read_ns);
    if (strcmp(command, "version") == 0) return reply_version(to, json);
    if (strcmp(command, "summary") == 0) return reply_summary(to, json, miner);
    if (strstr(command, "stats") != NULL) return reply_stats(to, json, miner);
    return reply_with(to, json, "E", 14, "Invalid command", "");
}

void replies_begin(int miner_watts, bool are_luxos) {
    watts = miner_watts;
    luxos = are_luxos;
    write_chips();
}
