/*
 * Resource owners: which callbacks are called in which order, and in which order what an owner holds is let go; and memory
 * contexts: their trees, callbacks, and what allocation fails for.
 */
#include "access/tupdesc.h"
#include "storage/dsm.h"
#include "utils/resowner.h"

#define OWNERS 8

static ResourceOwner owners[OWNERS];

static int
owner_number(ResourceOwner owner)
{
	for (int i = 0; i < OWNERS; i++)
		if (owner && owners[i] == owner)
			return i;
	return owner ? 99 : -1;
}

static bool unregister_one;

static void
at_release(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	SAY("callback %s: phase %d, commit %d, top %d, current owner %d", (char *) arg, phase, isCommit, isTopLevel,
		owner_number(CurrentResourceOwner));
	if (unregister_one && strcmp(arg, "b") == 0)
	{
		unregister_one = false;
		UnregisterResourceReleaseCallback(at_release, arg);
	}
}

static void
at_detach(dsm_segment *segment, Datum arg)
{
	SAY("detached %d, current owner %d", DatumGetInt32(arg), owner_number(CurrentResourceOwner));
}

static int
owner_below(int i, int j)
{
	for (ResourceOwner owner = owners[j]; owner; owner = ResourceOwnerGetParent(owner))
		if (owner == owners[i])
			return true;
	return false;
}

/* Those that are deleted with it are forgotten. */
static void
delete_owner(int i)
{
	bool		gone[OWNERS];

	for (int j = 0; j < OWNERS; j++)
		gone[j] = owners[j] && owner_below(i, j);
	for (int j = 0; j < OWNERS; j++)
		if (gone[j] && owners[j] == CurrentResourceOwner)
			CurrentResourceOwner = NULL;
	ResourceOwnerRelease(owners[i], RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owners[i], RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owners[i], RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(owners[i]);
	for (int j = 0; j < OWNERS; j++)
		if (gone[j])
			owners[j] = NULL;
}

static void
do_owners(const char *argument)
{
	int			serial = 0;
	dsm_segment *last = NULL;
	TupleDesc	shared[3];

	state = strtoull(argument, NULL, 10);
	RegisterResourceReleaseCallback(at_release, "a");
	RegisterResourceReleaseCallback(at_release, "b");
	RegisterResourceReleaseCallback(at_release, "c");
	for (int i = 0; i < 3; i++)
	{
		shared[i] = CreateTemplateTupleDesc(1);
		shared[i]->tdrefcount = 1000;
		shared[i]->tdtypeid = 100 + i;
	}
	for (int round = 0; round < 1500; round++)
	{
		int			i = below(OWNERS);
		int			j = below(OWNERS);

		if (owners[i] == NULL)
		{
			owners[i] = ResourceOwnerCreate(below(3) ? owners[j] : NULL, psprintf("owner %d", i));
			SAY("%d is below %d", i, owner_number(ResourceOwnerGetParent(owners[i])));
			continue;
		}
		CurrentResourceOwner = owners[i];
		switch (below(9))
		{
			case 0:
				if (owners[j] && !owner_below(i, j))
				{
					ResourceOwnerNewParent(owners[i], owners[j]);
					SAY("%d is now below %d", i, j);
				}
				break;
			case 1:
				SAY("delete %d", i);
				delete_owner(i);
				last = NULL;
				break;
			case 2:
			case 3:
			case 4:
				last = dsm_create(100, 0);
				serial++;
				on_dsm_detach(last, at_detach, Int32GetDatum(serial));
				SAY("%d has %d", i, serial);
				if (below(5) == 0)
				{
					dsm_pin_mapping(last);
					if (below(2))
						dsm_unpin_mapping(last);
				}
				break;
			case 5:
				if (last && below(2))
				{
					SAY("detach");
					/* The owner that holds it need not be the current one. */
					dsm_detach(last);
					last = NULL;
				}
				break;
			case 6:
				IncrTupleDescRefCount(shared[j % 3]);
				break;
			case 7:
				ATTEMPT("decrement", DecrTupleDescRefCount(shared[j % 3]));
				for (int k = 0; k < 3; k++)
					SAY("references %d", shared[k]->tdrefcount);
				break;
			default:
				if (below(2))
				{
					bool		commit = below(2);
					bool		top = below(2);
					int			phase = below(4);

					unregister_one = round > 700;
					if (phase == 3 || phase == 0)
						last = NULL;
					SAY("release %d: phase %d, commit %d, top %d", i, phase, commit, top);
					for (int p = phase == 3 ? 0 : phase; p <= (phase == 3 ? 2 : phase); p++)
						ResourceOwnerRelease(owners[i], p == 0 ? RESOURCE_RELEASE_BEFORE_LOCKS : p == 1 ? RESOURCE_RELEASE_LOCKS : RESOURCE_RELEASE_AFTER_LOCKS,
											 commit, top);
					SAY("still current: %d", owner_number(CurrentResourceOwner));
				}
		}
	}
	for (int i = 0; i < OWNERS; i++)
		if (owners[i])
			delete_owner(i);
	CurrentResourceOwner = NULL;
	for (int k = 0; k < 3; k++)
		SAY("references %d", shared[k]->tdrefcount);
	UnregisterResourceReleaseCallback(at_release, "a");
	UnregisterResourceReleaseCallback(at_release, "c");
	SAY("done");
}

/* ---- memory contexts */

#define CONTEXTS 12

typedef struct Tracked
{
	MemoryContext context;
	int			kind;
	int			serial;
	Size		chunk;
	void	   *chunks[20];
	Size		sizes[20];
} Tracked;

static Tracked nodes[CONTEXTS];

static void
at_reset(void *arg)
{
	SAY("reset callback %s", (char *) arg);
}

static void
forget_chunks(MemoryContext context)
{
	for (int i = 0; i < CONTEXTS; i++)
		if (nodes[i].context == context)
			memset(nodes[i].chunks, 0, sizeof(nodes[i].chunks));
}

static bool
context_below(MemoryContext above, MemoryContext context)
{
	for (; context; context = context->parent)
		if (context == above)
			return true;
	return false;
}

static int
node_number(MemoryContext context)
{
	for (int i = 0; i < CONTEXTS; i++)
		if (context && nodes[i].context == context)
			return i;
	return context == NULL ? -1 : 99;
}

static void
say_tree(MemoryContext context, int depth)
{
	SAY("%*s%d \"%s\" %s, ident %s, empty %d, reset %d", depth * 2, "", node_number(context), context->name,
		context->type == T_AllocSetContext ? "set" : context->type == T_SlabContext ? "slab" : "generation",
		context->ident ? context->ident : "-", MemoryContextIsEmpty(context), context->isReset);
	for (MemoryContext child = context->firstchild; child; child = child->nextchild)
		say_tree(child, depth + 1);
}

static bool
is_filled(const char *chunk, Size size, char with)
{
	for (Size i = 0; i < size; i++)
		if (chunk[i] != with)
			return false;
	return true;
}

static void
do_memory(const char *argument)
{
	MemoryContext root = AllocSetContextCreate(TopMemoryContext, "root", ALLOCSET_SMALL_SIZES);
	MemoryContext other = AllocSetContextCreate(TopMemoryContext, "of messages", ALLOCSET_DEFAULT_SIZES);
	int			serial = 0;

	state = strtoull(argument, NULL, 10);
	for (int round = 0; round < 4000; round++)
	{
		int			i = below(CONTEXTS);
		int			j = below(CONTEXTS);
		Tracked    *node = &nodes[i];
		int			c = below(lengthof(node->chunks));
		Size		size = below(4) ? below(200) : below(3) ? below(20000) : below(300000);

		MemoryContextSwitchTo(other);
		MemoryContextReset(other);
		if (node->context == NULL)
		{
			MemoryContext parent = nodes[j].context ? nodes[j].context : root;

			node->kind = below(3);
			node->serial = ++serial;
			node->chunk = 8 + below(300);
			memset(node->chunks, 0, sizeof(node->chunks));
			if (node->kind == 0)
				node->context = AllocSetContextCreate(parent, "a set", 0, 1024 << below(4), 8192 << below(4));
			else if (node->kind == 1)
				node->context = SlabContextCreate(parent, "a slab", 8192 << below(3), node->chunk);
			else
				node->context = GenerationContextCreate(parent, "a generation", 0, 1024 << below(4), 8192 << below(4));
			SAY("%d: kind %d", i, node->kind);
			continue;
		}
		if (node->kind == 1)
			size = below(12) ? node->chunk : size;
		switch (below(14))
		{
			case 0:
				if (node->kind != 1 || node->chunk >= sizeof(MemoryContextCallback))
				{
					MemoryContextCallback *callback = MemoryContextAlloc(node->context, node->kind == 1 ? node->chunk : sizeof(*callback));

					callback->func = at_reset;
					callback->arg = MemoryContextStrdup(TopMemoryContext, psprintf("%d of %d", round, i));
					MemoryContextRegisterResetCallback(node->context, callback);
				}
				break;
			case 1:
				if (below(3) == 0)
				{
					SAY("reset %d", i);
					for (int k = 0; k < CONTEXTS; k++)
						if (k != i && nodes[k].context && context_below(node->context, nodes[k].context))
							nodes[k].context = NULL;
					MemoryContextReset(node->context);
					memset(node->chunks, 0, sizeof(node->chunks));
				}
				break;
			case 2:
				if (below(4) == 0)
				{
					SAY("reset only %d", i);
					MemoryContextResetOnly(node->context);
					memset(node->chunks, 0, sizeof(node->chunks));
				}
				else if (below(4) == 0)
				{
					SAY("reset the children of %d", i);
					for (int k = 0; k < CONTEXTS; k++)
						if (k != i && nodes[k].context && context_below(node->context, nodes[k].context))
							forget_chunks(nodes[k].context);
					MemoryContextResetChildren(node->context);
				}
				break;
			case 3:
				if (below(4) == 0)
				{
					bool		children = below(2);
					MemoryContext gone = node->context;

					SAY("delete %s%d", children ? "the children of " : "", i);
					for (int k = 0; k < CONTEXTS; k++)
						if ((k != i || !children) && nodes[k].context && context_below(gone, nodes[k].context) && k != i)
							nodes[k].context = NULL;
					if (children)
						MemoryContextDeleteChildren(gone);
					else
					{
						MemoryContextDelete(gone);
						node->context = NULL;
					}
				}
				break;
			case 4:
				if (nodes[j].context && !context_below(node->context, nodes[j].context))
				{
					MemoryContextSetParent(node->context, nodes[j].context);
					SAY("%d is now below %d: %d", i, j, node_number(MemoryContextGetParent(node->context)));
				}
				break;
			case 5:
				MemoryContextSetIdentifier(node->context, below(3) ? ONE_OF("one", "two") : NULL);
				if (below(5) == 0)
					say_tree(root, 0);
				break;
			case 6:
				if (node->chunks[c])
				{
					Size		bigger = node->kind == 1 && below(8) ? node->chunk : size;
					Size		kept = Min(node->sizes[c], bigger);

					ATTEMPT("repalloc",
							{
								node->chunks[c] = below(6) ? repalloc(node->chunks[c], bigger) : repalloc_huge(node->chunks[c], bigger);
								SAY("repalloc %zu to %zu: kept %d, in %d, aligned %d", node->sizes[c], bigger, is_filled(node->chunks[c], kept, (char) c),
									node_number(GetMemoryChunkContext(node->chunks[c])), (int) ((uintptr_t) node->chunks[c] % MAXIMUM_ALIGNOF));
								node->sizes[c] = bigger;
								memset(node->chunks[c], c, bigger);
							});
				}
				break;
			case 7:
				if (node->chunks[c])
				{
					SAY("room %d", GetMemoryChunkSpace(node->chunks[c]) >= node->sizes[c]);
					pfree(node->chunks[c]);
					node->chunks[c] = NULL;
				}
				break;
			case 8:
				if (below(4) == 0)
				{
					Size		much = below(2) ? MaxAllocSize + 1 + below(3) : below(2) ? MaxAllocHugeSize + below(2) : (Size) -1 - below(40);
					int			flags = below(8);

					ATTEMPT("huge", SAY("none: %d", MemoryContextAllocExtended(node->context, much, flags & ~MCXT_ALLOC_HUGE) == NULL));
					/* More than there is: allowed to fail quietly, since the other way prints all contexts. */
					ATTEMPT("huge", SAY("none: %d", MemoryContextAllocExtended(node->context, (Size) 1 << (50 + below(13)), MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM) == NULL));
				}
				break;
			case 9:
				if (below(20) == 0)
				{
					ATTEMPT("slab", SlabContextCreate(node->context, "bad slab", 100, 1000));
					ATTEMPT("slab", SlabContextCreate(node->context, "bad slab", 8192, 8192 + below(3)));
					SAY("allocated: %d", MemoryContextMemAllocated(root, true) >= MemoryContextMemAllocated(root, false));
				}
				else if (below(3) == 0)
				{
					MemoryContextSwitchTo(node->kind == 1 ? other : node->context);
					SAY("texts: %s %s %s", pstrdup("text"), pnstrdup("text", below(6)), psprintf("%d", round));
					SAY("contains %d", MemoryContextContains(node->context, NULL));
				}
				break;
			default:
				if (node->chunks[c] == NULL)
				{
					ATTEMPT("alloc",
							{
								bool		zero = below(2);

								node->chunks[c] = zero ? MemoryContextAllocZero(node->context, size) : MemoryContextAlloc(node->context, size);
								SAY("alloc %zu in %d: zero %d, aligned %d", size, i, !zero || is_filled(node->chunks[c], size, 0),
									(int) ((uintptr_t) node->chunks[c] % MAXIMUM_ALIGNOF));
								node->sizes[c] = size;
								memset(node->chunks[c], c, size);
							});
				}
		}
	}
	MemoryContextSwitchTo(TopMemoryContext);
	say_tree(root, 0);
	SAY("delete the root");
	MemoryContextDelete(root);
	SAY("done");
}
