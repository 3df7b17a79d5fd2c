// Lists: an array of pointers, ints or Oids that grows, header and first cells in one allocation.
//
// The empty list is NIL, never a list of no cells. A function that changes a list in place returns it, and the
// caller must take the returned one: it is another when the list was or becomes empty. Cells are kept in the
// context that the list itself is in.
#include <bit>

extern "C" {
#include "postgres.h"
#include "nodes/pg_list.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"
}

namespace {

// Cells that fit with the header into a power of two.
int room_with_header(int cells) {
  constexpr int kHeader = static_cast<int>(offsetof(List, initial_elements) / sizeof(ListCell));
  return static_cast<int>(std::bit_ceil(static_cast<unsigned>(Max(8, cells + kHeader)))) - kHeader;
}

List* new_list(NodeTag type, int length) {
  int room = room_with_header(length);
  List* list =
      static_cast<List*>(palloc(offsetof(List, initial_elements) + static_cast<Size>(room) * sizeof(ListCell)));
  list->type = type;
  list->length = length;
  list->max_length = room;
  list->elements = list->initial_elements;
  return list;
}

// Room for at least `needed` cells.
void make_room(List* list, int needed) {
  if (needed <= list->max_length) return;
  if (needed > static_cast<int>(MaxAllocSize / sizeof(ListCell)))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("out of memory")));
  int room = static_cast<int>(std::bit_ceil(static_cast<unsigned>(Max(16, needed))));
  Size bytes = static_cast<Size>(room) * sizeof(ListCell);
  if (list->elements == list->initial_elements) {
    ListCell* cells = static_cast<ListCell*>(MemoryContextAlloc(GetMemoryChunkContext(list), bytes));
    memcpy(cells, list->elements, static_cast<Size>(list->length) * sizeof(ListCell));
    list->elements = cells;
  } else {
    list->elements = static_cast<ListCell*>(repalloc(list->elements, bytes));
  }
  list->max_length = room;
}

// A new cell at `position`, its value not set.
ListCell* open_cell(List* list, int position) {
  make_room(list, list->length + 1);
  memmove(&list->elements[position + 1], &list->elements[position],
          static_cast<Size>(list->length - position) * sizeof(ListCell));
  list->length++;
  return &list->elements[position];
}

List* insert(List* list, NodeTag type, int position, ListCell value) {
  if (list == NIL) {
    list = new_list(type, 1);
    list->elements[0] = value;
  } else {
    *open_cell(list, position) = value;
  }
  return list;
}

ListCell cell(const void* value) {
  ListCell made;
  made.ptr_value = const_cast<void*>(value);
  return made;
}
ListCell int_cell(int value) {
  ListCell made;
  made.ptr_value = nullptr;
  made.int_value = value;
  return made;
}
ListCell oid_cell(Oid value) {
  ListCell made;
  made.ptr_value = nullptr;
  made.oid_value = value;
  return made;
}

// The ways to compare cells.
bool by_value(const ListCell& a, const ListCell& b) {
  return equal(a.ptr_value, b.ptr_value);
}
bool by_pointer(const ListCell& a, const ListCell& b) {
  return a.ptr_value == b.ptr_value;
}
bool by_int(const ListCell& a, const ListCell& b) {
  return a.int_value == b.int_value;
}
bool by_oid(const ListCell& a, const ListCell& b) {
  return a.oid_value == b.oid_value;
}
using Same = bool (*)(const ListCell&, const ListCell&);

template <Same same>
int find(const List* list, const ListCell& value) {
  for (int i = 0; i < list_length(list); ++i)
    if (same(list->elements[i], value)) return i;
  return -1;
}

template <Same same>
List* remove_first(List* list, const ListCell& value) {
  int at = find<same>(list, value);
  return at < 0 ? list : list_delete_nth_cell(list, at);
}

// Appends those cells of `from` that the list does not have yet.
template <Same same>
List* append_missing(List* list, const List* from) {
  for (int i = 0; i < list_length(from); ++i)
    if (find<same>(list, from->elements[i]) < 0)
      list = insert(list, from->type, list_length(list), from->elements[i]);
  return list;
}

// A new list of those cells of list1 that are in list2 (or are not).
template <Same same>
List* select(const List* list1, const List* list2, bool present) {
  List* result = NIL;
  for (int i = 0; i < list_length(list1); ++i)
    if ((find<same>(list2, list1->elements[i]) >= 0) == present)
      result = insert(result, list1->type, list_length(result), list1->elements[i]);
  return result;
}

List* copy_range(const List* list, int from, int count) {
  if (count <= 0) return NIL;
  List* copy = new_list(list->type, count);
  memcpy(copy->elements, &list->elements[from], static_cast<Size>(count) * sizeof(ListCell));
  return copy;
}

}  // namespace

extern "C" {

List* list_make1_impl(NodeTag t, ListCell datum1) {
  List* list = new_list(t, 1);
  list->elements[0] = datum1;
  return list;
}
List* list_make2_impl(NodeTag t, ListCell datum1, ListCell datum2) {
  List* list = new_list(t, 2);
  list->elements[0] = datum1;
  list->elements[1] = datum2;
  return list;
}
List* list_make3_impl(NodeTag t, ListCell datum1, ListCell datum2, ListCell datum3) {
  List* list = new_list(t, 3);
  list->elements[0] = datum1;
  list->elements[1] = datum2;
  list->elements[2] = datum3;
  return list;
}
List* list_make4_impl(NodeTag t, ListCell datum1, ListCell datum2, ListCell datum3, ListCell datum4) {
  List* list = new_list(t, 4);
  list->elements[0] = datum1;
  list->elements[1] = datum2;
  list->elements[2] = datum3;
  list->elements[3] = datum4;
  return list;
}
List* list_make5_impl(NodeTag t, ListCell datum1, ListCell datum2, ListCell datum3, ListCell datum4,
                      ListCell datum5) {
  List* list = new_list(t, 5);
  list->elements[0] = datum1;
  list->elements[1] = datum2;
  list->elements[2] = datum3;
  list->elements[3] = datum4;
  list->elements[4] = datum5;
  return list;
}

List* lappend(List* list, void* datum) {
  return insert(list, T_List, list_length(list), cell(datum));
}
List* lappend_int(List* list, int datum) {
  return insert(list, T_IntList, list_length(list), int_cell(datum));
}
List* lappend_oid(List* list, Oid datum) {
  return insert(list, T_OidList, list_length(list), oid_cell(datum));
}
List* lcons(void* datum, List* list) {
  return insert(list, T_List, 0, cell(datum));
}
List* lcons_int(int datum, List* list) {
  return insert(list, T_IntList, 0, int_cell(datum));
}
List* lcons_oid(Oid datum, List* list) {
  return insert(list, T_OidList, 0, oid_cell(datum));
}
List* list_insert_nth(List* list, int pos, void* datum) {
  return insert(list, T_List, pos, cell(datum));
}
List* list_insert_nth_int(List* list, int pos, int datum) {
  return insert(list, T_IntList, pos, int_cell(datum));
}
List* list_insert_nth_oid(List* list, int pos, Oid datum) {
  return insert(list, T_OidList, pos, oid_cell(datum));
}

// Adds the cells of list2 to list1 itself.
List* list_concat(List* list1, const List* list2) {
  if (list1 == NIL) return list_copy(list2);
  if (list2 == NIL) return list1;
  int added = list2->length;  // list2 may be list1
  make_room(list1, list1->length + added);
  memcpy(&list1->elements[list1->length], list2->elements, static_cast<Size>(added) * sizeof(ListCell));
  list1->length += added;
  return list1;
}

List* list_concat_copy(const List* list1, const List* list2) {
  if (list1 == NIL) return list_copy(list2);
  if (list2 == NIL) return list_copy(list1);
  List* list = new_list(list1->type, list1->length + list2->length);
  memcpy(list->elements, list1->elements, static_cast<Size>(list1->length) * sizeof(ListCell));
  memcpy(&list->elements[list1->length], list2->elements, static_cast<Size>(list2->length) * sizeof(ListCell));
  return list;
}

List* list_truncate(List* list, int new_size) {
  if (new_size <= 0) return NIL;
  if (new_size < list_length(list)) list->length = new_size;
  return list;
}

bool list_member(const List* list, const void* datum) {
  return find<by_value>(list, cell(datum)) >= 0;
}
bool list_member_ptr(const List* list, const void* datum) {
  return find<by_pointer>(list, cell(datum)) >= 0;
}
bool list_member_int(const List* list, int datum) {
  return find<by_int>(list, int_cell(datum)) >= 0;
}
bool list_member_oid(const List* list, Oid datum) {
  return find<by_oid>(list, oid_cell(datum)) >= 0;
}

List* list_delete_nth_cell(List* list, int n) {
  if (list->length == 1) {
    list_free(list);
    return NIL;
  }
  memmove(&list->elements[n], &list->elements[n + 1],
          static_cast<Size>(list->length - 1 - n) * sizeof(ListCell));
  list->length--;
  return list;
}
List* list_delete_cell(List* list, ListCell* cell) {
  return list_delete_nth_cell(list, static_cast<int>(cell - list->elements));
}
List* list_delete(List* list, void* datum) {
  return remove_first<by_value>(list, cell(datum));
}
List* list_delete_ptr(List* list, void* datum) {
  return remove_first<by_pointer>(list, cell(datum));
}
List* list_delete_int(List* list, int datum) {
  return remove_first<by_int>(list, int_cell(datum));
}
List* list_delete_oid(List* list, Oid datum) {
  return remove_first<by_oid>(list, oid_cell(datum));
}
List* list_delete_first(List* list) {
  return list == NIL ? NIL : list_delete_nth_cell(list, 0);
}
List* list_delete_last(List* list) {
  return list == NIL ? NIL : list_delete_nth_cell(list, list->length - 1);
}

List* list_delete_first_n(List* list, int n) {
  if (n <= 0) return list;
  if (n >= list_length(list)) {
    list_free(list);
    return NIL;
  }
  list->length -= n;
  memmove(list->elements, &list->elements[n], static_cast<Size>(list->length) * sizeof(ListCell));
  return list;
}

List* list_union(const List* list1, const List* list2) {
  return append_missing<by_value>(list_copy(list1), list2);
}
List* list_union_ptr(const List* list1, const List* list2) {
  return append_missing<by_pointer>(list_copy(list1), list2);
}
List* list_union_int(const List* list1, const List* list2) {
  return append_missing<by_int>(list_copy(list1), list2);
}
List* list_union_oid(const List* list1, const List* list2) {
  return append_missing<by_oid>(list_copy(list1), list2);
}

List* list_intersection(const List* list1, const List* list2) {
  return select<by_value>(list1, list2, true);
}
List* list_intersection_int(const List* list1, const List* list2) {
  return select<by_int>(list1, list2, true);
}
List* list_difference(const List* list1, const List* list2) {
  return select<by_value>(list1, list2, false);
}
List* list_difference_ptr(const List* list1, const List* list2) {
  return select<by_pointer>(list1, list2, false);
}
List* list_difference_int(const List* list1, const List* list2) {
  return select<by_int>(list1, list2, false);
}
List* list_difference_oid(const List* list1, const List* list2) {
  return select<by_oid>(list1, list2, false);
}

List* list_append_unique(List* list, void* datum) {
  return list_member(list, datum) ? list : lappend(list, datum);
}
List* list_append_unique_ptr(List* list, void* datum) {
  return list_member_ptr(list, datum) ? list : lappend(list, datum);
}
List* list_append_unique_int(List* list, int datum) {
  return list_member_int(list, datum) ? list : lappend_int(list, datum);
}
List* list_append_unique_oid(List* list, Oid datum) {
  return list_member_oid(list, datum) ? list : lappend_oid(list, datum);
}

List* list_concat_unique(List* list1, const List* list2) {
  return append_missing<by_value>(list1, list2);
}
List* list_concat_unique_ptr(List* list1, const List* list2) {
  return append_missing<by_pointer>(list1, list2);
}
List* list_concat_unique_int(List* list1, const List* list2) {
  return append_missing<by_int>(list1, list2);
}
List* list_concat_unique_oid(List* list1, const List* list2) {
  return append_missing<by_oid>(list1, list2);
}

// Of a sorted list.
void list_deduplicate_oid(List* list) {
  if (list_length(list) < 2) return;
  int kept = 0;
  for (int i = 1; i < list->length; ++i)
    if (list->elements[i].oid_value != list->elements[kept].oid_value)
      list->elements[++kept] = list->elements[i];
  list->length = kept + 1;
}

void list_free(List* list) {
  if (list == NIL) return;
  if (list->elements != list->initial_elements) pfree(list->elements);
  pfree(list);
}

void list_free_deep(List* list) {
  for (int i = 0; i < list_length(list); ++i) pfree(list->elements[i].ptr_value);
  list_free(list);
}

List* list_copy(const List* oldlist) {
  return copy_range(oldlist, 0, list_length(oldlist));
}
List* list_copy_head(const List* oldlist, int len) {
  return copy_range(oldlist, 0, Min(len, list_length(oldlist)));
}
List* list_copy_tail(const List* oldlist, int nskip) {
  nskip = Max(nskip, 0);
  return copy_range(oldlist, nskip, list_length(oldlist) - nskip);
}

List* list_copy_deep(const List* oldlist) {
  List* copy = list_copy(oldlist);
  for (int i = 0; i < list_length(copy); ++i)
    copy->elements[i].ptr_value = copyObjectImpl(copy->elements[i].ptr_value);
  return copy;
}

void list_sort(List* list, list_sort_comparator cmp) {
  if (list_length(list) < 2) return;
  qsort(list->elements, static_cast<size_t>(list->length), sizeof(ListCell),
        reinterpret_cast<int (*)(const void*, const void*)>(cmp));
}

int list_int_cmp(const ListCell* p1, const ListCell* p2) {
  return (p1->int_value > p2->int_value) - (p1->int_value < p2->int_value);
}
int list_oid_cmp(const ListCell* p1, const ListCell* p2) {
  return (p1->oid_value > p2->oid_value) - (p1->oid_value < p2->oid_value);
}

}  // extern "C"
