/*
 * Dynamic areas and hash tables in them, and hash tables in shared memory until they are full.
 */
#include "lib/dshash.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/dsa.h"

typedef struct AreaEntry
{
	char		key[16];
	int			value;
	char		more[30];
} AreaEntry;

static void
do_areas(const char *argument)
{
	static dsa_pointer pieces[100];
	static size_t sizes[100];
	static char place[100000] pg_attribute_aligned(16);
	dshash_parameters parameters = {16, sizeof(AreaEntry), dshash_memcmp, dshash_memhash, 0};
	dsa_area   *area;
	dshash_table *table;
	int			present = 0;

	state = strtoull(argument, NULL, 10);
	parameters.tranche_id = LWLockNewTrancheId();
	LWLockRegisterTranche(parameters.tranche_id, "probe_core");
	area = dsa_create(parameters.tranche_id);
	SAY("least size: %d", dsa_minimum_size() < sizeof(place));
	for (int round = 0; round < 3000; round++)
	{
		int			i = below(lengthof(pieces));

		if (pieces[i] == InvalidDsaPointer)
		{
			size_t		size = 1 + (below(3) ? below(500) : below(4) ? below(20000) : below(200000));
			int			flags = (below(2) ? DSA_ALLOC_ZERO : 0) | (below(2) ? DSA_ALLOC_NO_OOM : 0);

			if (below(60) == 0)
			{
				ATTEMPT("too much", SAY("none: %d", dsa_allocate_extended(area, (size_t) 1 << (40 + below(10)), DSA_ALLOC_NO_OOM | (below(2) ? DSA_ALLOC_HUGE : 0)) == InvalidDsaPointer));
				ATTEMPT("too much", SAY("none: %d", dsa_allocate_extended(area, MaxAllocSize + 1 + below(10), flags) == InvalidDsaPointer));
				continue;
			}
			ATTEMPT("allocate", pieces[i] = dsa_allocate_extended(area, size, flags));
			if (pieces[i] == InvalidDsaPointer)
			{
				SAY("no room for %zu", size);
				continue;
			}
			sizes[i] = size;
			SAY("allocated %zu: zero %d", size, !(flags & DSA_ALLOC_ZERO) || is_filled(dsa_get_address(area, pieces[i]), size, 0));
			memset(dsa_get_address(area, pieces[i]), i, size);
		}
		else
		{
			SAY("free %zu: kept %d", sizes[i], is_filled(dsa_get_address(area, pieces[i]), sizes[i], (char) i));
			dsa_free(area, pieces[i]);
			pieces[i] = InvalidDsaPointer;
		}
		if (below(300) == 0)
			dsa_trim(area);
	}
	SAY("nowhere: %d", dsa_get_address(area, InvalidDsaPointer) == NULL);
	dsa_set_size_limit(area, 0);
	ATTEMPT("at the limit", SAY("allocated: %d", DsaPointerIsValid(dsa_allocate(area, 5000000))));
	SAY("at the limit: %d", DsaPointerIsValid(dsa_allocate_extended(area, 5000000, DSA_ALLOC_NO_OOM)));
	dsa_set_size_limit(area, (size_t) -1);
	dsa_pin(area);
	ATTEMPT("pinned twice", dsa_pin(area));
	dsa_unpin(area);
	ATTEMPT("unpinned twice", dsa_unpin(area));

	/* In memory of one's own. */
	{
		dsa_area   *own;
		dsa_pointer piece;

		ATTEMPT("too small", (void) dsa_create_in_place(place, 100, parameters.tranche_id, NULL));
		own = dsa_create_in_place(place, sizeof(place), parameters.tranche_id, NULL);
		piece = dsa_allocate0(own, 100);
		SAY("in place: %d", (char *) dsa_get_address(own, piece) > place && (char *) dsa_get_address(own, piece) < place + sizeof(place));
		ATTEMPT("handle", SAY("%u", dsa_get_handle(own) != 0));
		dsa_release_in_place(place);
	}

	/* One in shared memory that cannot grow. */
	{
		HASHCTL		info;
		HTAB	   *fixed;
		int			count = 0;
		int			key = 0;
		bool		found;

		memset(&info, 0, sizeof(info));
		info.keysize = sizeof(int);
		info.entrysize = 24;
		fixed = ShmemInitHash(psprintf("table of %s", MyBgworkerEntry->bgw_name), 50, 50, &info, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
		while (count < 1000 && hash_search(fixed, &count, HASH_ENTER_NULL, &found) != NULL)
			count++;
		SAY("full with %d, %ld entries", count, hash_get_num_entries(fixed));
		key = 2000;
		ATTEMPT("one more", hash_search(fixed, &key, HASH_ENTER, &found));
		key = 3;
		SAY("there: %d", hash_search(fixed, &key, HASH_ENTER, &found) != NULL);
		SAY("removed: %d", hash_search(fixed, &key, HASH_REMOVE, &found) != NULL);
		key = 2000;
		ATTEMPT("one more", SAY("there: %d", hash_search(fixed, &key, HASH_ENTER, &found) != NULL));
		SAY("size %d", hash_estimate_size(50, 24) >= 50 * 24);
	}

	/* A table. */
	table = dshash_create(area, &parameters, NULL);
	for (int round = 0; round < 4000; round++)
	{
		char		key[16] = {0};
		AreaEntry  *entry;
		bool		found;

		snprintf(key, sizeof(key), "key %d", below(round < 1000 ? 100 : 600));
		switch (below(8))
		{
			case 0:
				SAY("delete: %d", dshash_delete_key(table, key));
				break;
			case 1:
				entry = dshash_find(table, key, true);
				SAY("found: %d", entry != NULL);
				if (entry && below(2))
					dshash_delete_entry(table, entry);
				else if (entry)
				{
					entry->value++;
					dshash_release_lock(table, entry);
				}
				break;
			case 2:
				entry = dshash_find(table, key, false);
				SAY("found: %d, %d", entry != NULL, entry ? entry->value : 0);
				if (entry)
					dshash_release_lock(table, entry);
				break;
			case 3:
				if (below(40) == 0)
				{
					dshash_seq_status scan;
					bool		exclusive = below(2);
					int			limit = below(3) ? INT_MAX : below(50);
					int			seen = 0;
					int			sum = 0;

					dshash_seq_init(&scan, table, exclusive);
					while (seen < limit && (entry = dshash_seq_next(&scan)) != NULL)
					{
						seen++;
						sum += entry->value;
						/* Which ones must not depend on the order. */
						if (exclusive && limit == INT_MAX && entry->value % 5 == 0)
							dshash_delete_current(&scan);
					}
					dshash_seq_term(&scan);
					if (limit == INT_MAX)
						SAY("scan: %d entries, sum %d", seen, sum);
					else
						SAY("scan: %d entries", seen);
				}
				break;
			default:
				entry = dshash_find_or_insert(table, key, &found);
				if (!found)
				{
					entry->value = round;
					present++;
				}
				SAY("insert: found %d, value %d", found, entry->value);
				dshash_release_lock(table, entry);
		}
	}
	if (below(2))
		dshash_destroy(table);
	else
		dshash_detach(table);
	dsa_detach(area);
	SAY("done");
}
