// What the parts of the transaction system share. Include after postgres.h.
#pragma once

extern "C" {

// Runs the registered callbacks, last registered first. A callback may raise.
void bgw_call_xact_callbacks(XactEvent event);
void bgw_call_subxact_callbacks(SubXactEvent event, SubTransactionId subid, SubTransactionId parent);

// True while a transaction is being ended: SPI and session calls are refused then.
bool bgw_transaction_ending(void);
}
