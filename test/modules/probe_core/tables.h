/*
 * Hash tables of every kind, and the calling of functions.
 */
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/dynahash.h"
#include "utils/hsearch.h"

static uint32
odd_hash(const void *key, Size keysize)
{
	return *(const unsigned char *) key % 7;
}

static int
odd_match(const void *a, const void *b, Size keysize)
{
	return memcmp(a, b, keysize);
}

static void *
odd_copy(void *to, const void *from, Size keysize)
{
	return memcpy(to, from, keysize);
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* A table of one kind, through random steps. */
static void
one_table(int kind, int steps)
{
	HASHCTL		info;
	HTAB	   *table;
	int			flags = HASH_ELEM;
	char		key[40];
	HASH_SEQ_STATUS scan;
	bool		frozen = false;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "table", ALLOCSET_DEFAULT_SIZES);

	memset(&info, 0, sizeof(info));
	info.keysize = kind == 1 ? 4 : kind == 2 ? 8 : 16;
	info.entrysize = info.keysize + 1 + below(100);
	info.hcxt = context;
	if (kind == 0)
		flags |= HASH_STRINGS;
	else if (kind <= 3)
		flags |= HASH_BLOBS;
	else if (kind == 4)
	{
		info.hash = odd_hash;
		flags |= HASH_FUNCTION;
		info.match = odd_match;
		flags |= HASH_COMPARE;
		info.keycopy = odd_copy;
		flags |= HASH_KEYCOPY;
	}
	else
	{
		info.num_partitions = 16;
		flags |= HASH_BLOBS | HASH_PARTITION;
	}
	flags |= HASH_CONTEXT;
	table = hash_create("a table", 1 + below(300), &info, flags);
	SAY("table of kind %d, entries of %zu", kind, info.entrysize);
	for (int i = 0; i < steps; i++)
	{
		bool		found = false;
		char	   *entry;
		HASHACTION	action = (HASHACTION) ((int[]) {HASH_FIND, HASH_ENTER, HASH_ENTER, HASH_REMOVE, HASH_ENTER_NULL}[below(5)]);

		memset(key, 0, sizeof(key));
		if (kind == 0)
			snprintf(key, sizeof(key), "%s%d", ONE_OF("key", "a key that is longer than what fits "), below(200));
		else
			*(int *) key = below(200);
		switch (below(12))
		{
			case 0:
				{
					char	   *seen[1000];
					int			count = 0;
					int			limit = below(6) ? 1000 : below(10);

					if (frozen && limit < 1000)
						break;
					hash_seq_init(&scan, table);
					while (count < limit && (entry = hash_seq_search(&scan)) != NULL)
					{
						seen[count++] = kind == 0 ? MemoryContextStrdup(context, entry) : MemoryContextStrdup(context, psprintf("%d", *(int *) entry));
						/* The one it stands at may go. */
						if (below(10) == 0 && !frozen)
							hash_search(table, entry, HASH_REMOVE, NULL);
					}
					if (count == limit)
						hash_seq_term(&scan);
					qsort(seen, count, sizeof(char *), compare_keys);
					if (limit == 1000)
						for (int k = 0; k < count; k += 5)
							SAY("  seen %s", seen[k]);
				}
				break;
			case 1:
				{
					uint32		hash = get_hash_value(table, key);

					entry = hash_search_with_hash_value(table, key, hash, HASH_FIND, &found);
					SAY("hash %u: %d, %d", hash, found, entry != NULL);
				}
				break;
			case 2:
				if (!frozen)
				{
					char		other[40];
					char	   *entry_of = hash_search(table, key, HASH_FIND, NULL);

					memset(other, 0, sizeof(other));
					if (kind == 0)
						snprintf(other, sizeof(other), "key%d", below(200));
					else
						*(int *) other = below(200);
					if (entry_of)
						SAY("new key: %d", hash_update_hash_key(table, entry_of, other));
				}
				break;
			case 3:
				if (below(60) == 0 && !frozen)
				{
					hash_freeze(table);
					frozen = true;
					SAY("frozen");
				}
				break;
			default:
				ATTEMPT("search",
						{
							entry = hash_search(table, key, action, &found);
							if (entry && action != HASH_FIND && action != HASH_REMOVE && !found)
								entry[info.keysize] = (char) i;
							SAY("action %d: found %d, entry %d, marked %d", action, found, entry != NULL, entry && action != HASH_REMOVE ? entry[info.keysize] : 0);
						});
		}
		if (i % 10 == 0)
			SAY("entries: %ld", hash_get_num_entries(table));
	}
	if (below(2))
		hash_destroy(table);
	MemoryContextDelete(context);
}

static void
do_tables(const char *argument)
{
	HASHCTL		info;
	HASH_SEQ_STATUS scan;
	HASH_SEQ_STATUS scans[100];
	HTAB	   *table;

	state = strtoull(argument, NULL, 10);
	for (int i = 0; i < 60; i++)
		one_table(i % 6, 10 + below(150));

	/* Scans left open. */
	memset(&info, 0, sizeof(info));
	info.keysize = 4;
	info.entrysize = 8;
	StartTransactionCommand();
	table = hash_create("scanned", 10, &info, HASH_ELEM | HASH_BLOBS);
	for (int i = 0; i < 10; i++)
		hash_search(table, &i, HASH_ENTER, NULL);
	hash_seq_init(&scan, table);
	(void) hash_seq_search(&scan);
	CommitTransactionCommand();
	StartTransactionCommand();
	hash_seq_init(&scan, table);
	(void) hash_seq_search(&scan);
	AbortCurrentTransaction();
	/* In a subtransaction, and in one that commits. */
	StartTransactionCommand();
	for (int i = 0; i < 2; i++)
	{
		ResourceOwner owner = CurrentResourceOwner;

		BeginInternalSubTransaction(NULL);
		hash_seq_init(&scan, table);
		(void) hash_seq_search(&scan);
		if (i == 0)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
	}
	hash_seq_init(&scan, table);
	BeginInternalSubTransaction(NULL);
	ReleaseCurrentSubTransaction();
	ATTEMPT("frozen while scanned", hash_freeze(table));
	hash_seq_term(&scan);
	for (int i = 0; i < lengthof(scans); i++)
		hash_seq_init(&scans[i], table);
	ATTEMPT("scans", hash_seq_init(&scan, table));
	ATTEMPT("frozen while scanned", hash_freeze(table));
	for (int i = 0; i < lengthof(scans); i++)
		hash_seq_term(&scans[i]);
	AbortCurrentTransaction();
	for (long n = 1; n < 100000000; n = n * 7 + 3)
		SAY("size for %ld: %d", n, my_log2(n));
	SAY("done");
}
