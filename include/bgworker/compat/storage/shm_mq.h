/*
 * Message queues as 9.4 to 9.6 have them: sending always wakes the receiver, as force_flush says now.
 */
#ifndef BGWORKER_COMPAT_STORAGE_SHM_MQ_H
#define BGWORKER_COMPAT_STORAGE_SHM_MQ_H

#include_next "storage/shm_mq.h"
#include "bgworker_compat_arguments.h"

static inline shm_mq_result
bgworker_compat_shm_mq_send4(shm_mq_handle *mqh, Size nbytes, const void *data, bool nowait)
{
	return shm_mq_send(mqh, nbytes, data, nowait, true);
}

static inline shm_mq_result
bgworker_compat_shm_mq_sendv4(shm_mq_handle *mqh, shm_mq_iovec *iov, int iovcnt, bool nowait)
{
	return shm_mq_sendv(mqh, iov, iovcnt, nowait, true);
}

#define shm_mq_send(...) \
	BGWORKER_COMPAT_SIXTH(__VA_ARGS__, shm_mq_send, bgworker_compat_shm_mq_send4, , , )(__VA_ARGS__)
#define shm_mq_sendv(...) \
	BGWORKER_COMPAT_SIXTH(__VA_ARGS__, shm_mq_sendv, bgworker_compat_shm_mq_sendv4, , , )(__VA_ARGS__)

#endif
