// Value nodes: what a grammar or a list of names holds.
extern "C" {
#include "postgres.h"
#include "nodes/value.h"
}

extern "C" {

Integer* makeInteger(int i) {
  Integer* node = makeNode(Integer);
  node->ival = i;
  return node;
}

// The text is kept as it is: no loss of digits before its type is known.
Float* makeFloat(char* numericStr) {
  Float* node = makeNode(Float);
  node->fval = numericStr;
  return node;
}

Boolean* makeBoolean(bool var) {
  Boolean* node = makeNode(Boolean);
  node->boolval = var;
  return node;
}

String* makeString(char* str) {
  String* node = makeNode(String);
  node->sval = str;
  return node;
}

BitString* makeBitString(char* str) {
  BitString* node = makeNode(BitString);
  node->bsval = str;
  return node;
}

}  // extern "C"
