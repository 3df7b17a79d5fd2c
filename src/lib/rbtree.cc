// Red-black trees of the caller's nodes (lib/rbtree.h).
//
// Invariants: nodes are in the comparator's order from left to right; a red node has black children; every way
// from a node down to an empty place meets the same number of black nodes. Empty places are `nil`, which is
// black; the root's parent is null. `nil` is shared by all trees of the process and its `parent` is scratch
// space while deleting.
extern "C" {
#include "postgres.h"
#include "lib/rbtree.h"
}

struct RBTree {
  RBTNode* root;
  Size node_size;
  rbt_comparator comparator;
  rbt_combiner combiner;
  rbt_allocfunc allocfunc;
  rbt_freefunc freefunc;
  void* arg;
};

namespace {

constexpr char black = 0;
constexpr char red = 1;

RBTNode nil_node = {black, &nil_node, &nil_node, nullptr};
RBTNode* const nil = &nil_node;

// The two sides, so that mirrored cases are one.
enum Side { left_side, right_side };
Side other(Side side) {
  return side == left_side ? right_side : left_side;
}
RBTNode*& child(RBTNode* node, Side side) {
  return side == left_side ? node->left : node->right;
}
Side side_of(RBTNode* node) {
  return node->parent->left == node ? left_side : right_side;
}

void replace_in_parent(RBTree* tree, RBTNode* node, RBTNode* by) {
  if (!node->parent)
    tree->root = by;
  else
    child(node->parent, side_of(node)) = by;
  by->parent = node->parent;
}

// The node goes down to `side`; its child on the other side takes its place.
void rotate(RBTree* tree, RBTNode* node, Side side) {
  RBTNode* rising = child(node, other(side));
  child(node, other(side)) = child(rising, side);
  if (child(rising, side) != nil) child(rising, side)->parent = node;
  replace_in_parent(tree, node, rising);
  child(rising, side) = node;
  node->parent = rising;
}

// A red node was added: no two red ones in a row.
void mend_after_insert(RBTree* tree, RBTNode* node) {
  while (node->parent && node->parent->color == red) {
    RBTNode* parent = node->parent;
    RBTNode* grandparent = parent->parent;  // exists: the root is black
    const Side side = side_of(parent);
    RBTNode* uncle = child(grandparent, other(side));
    if (uncle->color == red) {
      parent->color = uncle->color = black;
      grandparent->color = red;
      node = grandparent;
      continue;
    }
    if (side_of(node) != side) {
      rotate(tree, parent, side);
      parent = node;
    }
    parent->color = black;
    grandparent->color = red;
    rotate(tree, grandparent, other(side));
    break;
  }
  tree->root->color = black;
}

// The ways through `node` lack a black one.
void mend_after_delete(RBTree* tree, RBTNode* node) {
  while (node != tree->root && node->color == black) {
    RBTNode* parent = node->parent;
    const Side side = parent->left == node ? left_side : right_side;
    RBTNode* sibling = child(parent, other(side));
    if (sibling->color == red) {
      sibling->color = black;
      parent->color = red;
      rotate(tree, parent, side);
      sibling = child(parent, other(side));
    }
    if (sibling->left->color == black && sibling->right->color == black) {
      sibling->color = red;
      node = parent;
      continue;
    }
    if (child(sibling, other(side))->color == black) {
      child(sibling, side)->color = black;
      sibling->color = red;
      rotate(tree, sibling, other(side));
      sibling = child(parent, other(side));
    }
    sibling->color = parent->color;
    parent->color = black;
    child(sibling, other(side))->color = black;
    rotate(tree, parent, side);
    node = tree->root;
  }
  node->color = black;
}

RBTNode* outermost(RBTNode* node, Side side) {
  while (node != nil && child(node, side) != nil) node = child(node, side);
  return node;
}

// The caller's data is what stands behind the node's own fields.
void copy_data(RBTree* tree, RBTNode* to, const RBTNode* from) {
  memcpy(to + 1, from + 1, tree->node_size - sizeof(RBTNode));
}

// The next node on a walk whose first side is `first`.
RBTNode* walk(RBTreeIterator* iter, Side first) {
  RBTNode* node = iter->last_visited;
  if (!node) {
    node = outermost(iter->rbt->root, first);
  } else if (child(node, other(first)) != nil) {
    node = outermost(child(node, other(first)), first);
  } else {
    while (node->parent && side_of(node) != first) node = node->parent;
    node = node->parent;
  }
  if (!node || node == nil) {
    iter->is_over = true;
    return nullptr;
  }
  return iter->last_visited = node;
}

RBTNode* walk_left_to_right(RBTreeIterator* iter) {
  return walk(iter, left_side);
}
RBTNode* walk_right_to_left(RBTreeIterator* iter) {
  return walk(iter, right_side);
}

}  // namespace

extern "C" {

RBTree* rbt_create(Size node_size, rbt_comparator comparator, rbt_combiner combiner, rbt_allocfunc allocfunc,
                   rbt_freefunc freefunc, void* arg) {
  Assert(node_size > sizeof(RBTNode));
  auto* tree = static_cast<RBTree*>(palloc(sizeof(RBTree)));
  *tree = {nil, node_size, comparator, combiner, allocfunc, freefunc, arg};
  return tree;
}

RBTNode* rbt_find(RBTree* rbt, const RBTNode* data) {
  for (RBTNode* node = rbt->root; node != nil;) {
    const int order = rbt->comparator(data, node, rbt->arg);
    if (order == 0) return node;
    node = order < 0 ? node->left : node->right;
  }
  return nullptr;
}

RBTNode* rbt_leftmost(RBTree* rbt) {
  RBTNode* node = outermost(rbt->root, left_side);
  return node == nil ? nullptr : node;
}

RBTNode* rbt_insert(RBTree* rbt, const RBTNode* data, bool* isNew) {
  RBTNode* parent = nullptr;
  int order = 0;
  for (RBTNode* node = rbt->root; node != nil;) {
    order = rbt->comparator(data, node, rbt->arg);
    if (order == 0) {
      rbt->combiner(node, data, rbt->arg);
      *isNew = false;
      return node;
    }
    parent = node;
    node = order < 0 ? node->left : node->right;
  }
  *isNew = true;
  RBTNode* added = rbt->allocfunc(rbt->arg);
  *added = {red, nil, nil, parent};
  copy_data(rbt, added, data);
  if (!parent)
    rbt->root = added;
  else
    child(parent, order < 0 ? left_side : right_side) = added;
  mend_after_insert(rbt, added);
  return added;
}

// The caller's pointers to other nodes of the tree may be void afterwards: a node with two children takes over
// the data of its successor, which goes instead.
void rbt_delete(RBTree* rbt, RBTNode* node) {
  RBTNode* leaving = node;
  if (node->left != nil && node->right != nil) {
    leaving = outermost(node->right, left_side);
    copy_data(rbt, node, leaving);
  }
  RBTNode* rising = leaving->left != nil ? leaving->left : leaving->right;
  replace_in_parent(rbt, leaving, rising);
  if (leaving->color == black) mend_after_delete(rbt, rising);
  if (rbt->freefunc) rbt->freefunc(leaving, rbt->arg);
}

void rbt_begin_iterate(RBTree* rbt, RBTOrderControl ctrl, RBTreeIterator* iter) {
  if (ctrl != LeftRightWalk && ctrl != RightLeftWalk)
    elog(ERROR, "unrecognized rbtree iteration order: %d", ctrl);
  *iter = {rbt, ctrl == LeftRightWalk ? walk_left_to_right : walk_right_to_left, nullptr, rbt->root == nil};
}

RBTNode* rbt_iterate(RBTreeIterator* iter) {
  return iter->is_over ? nullptr : iter->iterate(iter);
}

}  // extern "C"
