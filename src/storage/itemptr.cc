// Places of tuples in a table, block and number, as values: compared and counted on (storage/itemptr.h).
extern "C" {
#include "postgres.h"
#include "storage/itemptr.h"
}

extern "C" {

bool ItemPointerEquals(ItemPointer pointer1, ItemPointer pointer2) {
  return ItemPointerCompare(pointer1, pointer2) == 0;
}

// Places that are no valid ones are compared like others.
int32 ItemPointerCompare(ItemPointer arg1, ItemPointer arg2) {
  BlockNumber block1 = ItemPointerGetBlockNumberNoCheck(arg1), block2 = ItemPointerGetBlockNumberNoCheck(arg2);
  if (block1 != block2) return block1 < block2 ? -1 : 1;
  OffsetNumber offset1 = ItemPointerGetOffsetNumberNoCheck(arg1);
  OffsetNumber offset2 = ItemPointerGetOffsetNumberNoCheck(arg2);
  return offset1 == offset2 ? 0 : offset1 < offset2 ? -1 : 1;
}

// To the next number, of the next block after the last; the very last place stays what it is.
void ItemPointerInc(ItemPointer pointer) {
  BlockNumber block = ItemPointerGetBlockNumberNoCheck(pointer);
  OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(pointer);
  if (offset != PG_UINT16_MAX)
    ItemPointerSet(pointer, block, static_cast<OffsetNumber>(offset + 1));
  else if (block != InvalidBlockNumber)
    ItemPointerSet(pointer, block + 1, 0);
}

void ItemPointerDec(ItemPointer pointer) {
  BlockNumber block = ItemPointerGetBlockNumberNoCheck(pointer);
  OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(pointer);
  if (offset != 0)
    ItemPointerSet(pointer, block, static_cast<OffsetNumber>(offset - 1));
  else if (block != 0)
    ItemPointerSet(pointer, block - 1, PG_UINT16_MAX);
}

}  // extern "C"
