/*
 * Timeouts: which fire, in which order, and what is said of them before and after.
 */
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define TIMEOUTS 6

static TimeoutId timeout_ids[TIMEOUTS];
static volatile int fired_order[200];
static volatile int fired_count;

#define FIRES(n) \
	static void \
	fires_##n(void) \
	{ \
		if (fired_count < lengthof(fired_order)) \
			fired_order[fired_count++] = n; \
		SetLatch(MyLatch); \
	}
FIRES(0)
FIRES(1)
FIRES(2)
FIRES(3)
FIRES(4)
FIRES(5)

/* Until that many have fired, or too long. */
static void
wait_for_fired(int count)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 20000);

	while (fired_count < count && GetCurrentTimestamp() < end)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
say_timeouts(const char *what)
{
	for (int i = 0; i < TIMEOUTS; i++)
		SAY("%s: %d is active %d, indicated %d, again %d", what, i, get_timeout_active(timeout_ids[i]),
			get_timeout_indicator(timeout_ids[i], below(2)), get_timeout_indicator(timeout_ids[i], false));
}

static void
do_timeouts(const char *argument)
{
	static const timeout_handler_proc handlers[] = {fires_0, fires_1, fires_2, fires_3, fires_4, fires_5};

	state = strtoull(argument, NULL, 10);
	disable_all_timeouts(false);
	for (int i = 0; i < TIMEOUTS; i++)
	{
		timeout_ids[i] = RegisterTimeout(USER_TIMEOUT, handlers[i]);
		SAY("registered %d", timeout_ids[i] - USER_TIMEOUT);
	}
	for (int round = 0; round < 60; round++)
	{
		EnableTimeoutParams enable[TIMEOUTS];
		int			count = 0;
		int			expected = 0;
		TimestampTz now = GetCurrentTimestamp();
		bool		far[TIMEOUTS] = {false};

		fired_count = 0;
		for (int i = 0; i < TIMEOUTS; i++)
		{
			if (below(3) == 0)
				continue;
			memset(&enable[count], 0, sizeof(enable[count]));
			enable[count].id = timeout_ids[i];
			switch (below(4))
			{
				case 0:
					enable[count].type = TMPARAM_AT;
					/* Long ago, in that order. */
					enable[count].fin_time = TimestampTzPlusMilliseconds(now, -1000 * (1 + below(3)));
					expected++;
					break;
				case 1:
					enable[count].type = TMPARAM_AFTER;
					enable[count].delay_ms = 600000 + below(1000);
					far[i] = true;
					break;
				default:
					enable[count].type = TMPARAM_AFTER;
					enable[count].delay_ms = 5 + 5 * below(3);
					expected++;
			}
			count++;
		}
		if (below(4))
			enable_timeouts(enable, count);
		else
		{
			/* One by one: only those that are far away, so that what fires does so in a known order. */
			expected = 0;
			for (int i = 0; i < count; i++)
			{
				int			delay = enable[i].type == TMPARAM_AFTER ? enable[i].delay_ms + 600000 : 700000;

				if (below(2))
					enable_timeout_after(enable[i].id, delay);
				else
					enable_timeout_at(enable[i].id, TimestampTzPlusMilliseconds(now, delay));
				for (int k = 0; k < TIMEOUTS; k++)
					if (timeout_ids[k] == enable[i].id)
						far[k] = true;
			}
			if (below(2))
				reschedule_timeouts();
		}
		for (int i = 0; i < TIMEOUTS; i++)
			if (far[i])
				SAY("%d is due after %d s", i, (int) ((get_timeout_finish_time(timeout_ids[i]) - get_timeout_start_time(timeout_ids[i]) + 500000) / 1000000));
		wait_for_fired(expected);
		SAY("fired %d of %d", fired_count, expected);
		for (int i = 0; i < fired_count; i++)
			SAY("  %d", fired_order[i]);
		say_timeouts("then");
		switch (below(3))
		{
			case 0:
				disable_all_timeouts(below(2));
				break;
			case 1:
				for (int i = 0; i < TIMEOUTS; i++)
					disable_timeout(timeout_ids[i], below(2));
				break;
			default:
				{
					DisableTimeoutParams disable[TIMEOUTS];

					for (int i = 0; i < TIMEOUTS; i++)
					{
						disable[i].id = timeout_ids[i];
						disable[i].keep_indicator = below(2);
					}
					disable_timeouts(disable, below(TIMEOUTS + 1));
				}
		}
		say_timeouts("disabled");
	}
	disable_all_timeouts(false);

	/* Again and again. */
	fired_count = 0;
	enable_timeout_every(timeout_ids[2], TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 3), 5);
	wait_for_fired(4);
	SAY("fired four times: %d, active %d, indicated %d", fired_count >= 4, get_timeout_active(timeout_ids[2]), get_timeout_indicator(timeout_ids[2], false));
	disable_timeout(timeout_ids[2], true);
	SAY("indicated %d", get_timeout_indicator(timeout_ids[2], true));
	{
		EnableTimeoutParams every = {timeout_ids[1], TMPARAM_EVERY, 4, 0};

		fired_count = 0;
		enable_timeouts(&every, 1);
		wait_for_fired(3);
		SAY("fired three times: %d, active %d", fired_count >= 3, get_timeout_active(timeout_ids[1]));
		disable_all_timeouts(true);
	}
	SAY("done");
	for (;;)
		SAY("registered %d", RegisterTimeout(USER_TIMEOUT, fires_0) - USER_TIMEOUT);
}
