// The upstream as the rest of the host sees it: how to reach it and in which state it is. Readable in every
// process of the host; the state is what the monitor reported last.
#pragma once

extern "C" {

// The connection string for sessions: the setting `upstream`, or the embedded cluster's. Never null; valid
// until the next reload.
const char* bgw_upstream_conninfo(void);

// Whether the upstream is in recovery, as far as known: true until the monitor has seen it accept writes.
bool bgw_upstream_in_recovery(void);

// Whether sessions go to the embedded cluster.
bool bgw_upstream_is_embedded(void);

// Called once by the postmaster: where the embedded cluster listens. The text is copied.
void bgw_set_embedded_conninfo(const char* conninfo);
}
