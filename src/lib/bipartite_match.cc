// The largest matching between two sets (lib/bipartite_match.h), by the algorithm of Hopcroft and Karp (1973).
//
// Vertices are counted from 1; 0 stands for "unmatched". adjacency[u] is null or a list: its length, then the
// neighbours of u. Invariant: pair_uv and pair_vu are each other's inverse on what is matched.
#include <climits>

extern "C" {
#include "postgres.h"
#include "lib/bipartite_match.h"
#include "miscadmin.h"
}

namespace {

constexpr short unreachable = SHRT_MAX;

// How far each vertex on the left is from an unmatched one, along ways that alternate; whether such a way ends
// unmatched on the right. distance[0] is the length of the shortest.
bool find_distances(BipartiteMatchState* state) {
  short* distance = state->distance;
  short* queue = state->queue;
  int head = 0;
  int tail = 0;
  distance[0] = unreachable;
  for (int u = 1; u <= state->u_size; u++) {
    distance[u] = state->pair_uv[u] == 0 ? 0 : unreachable;
    if (distance[u] == 0) queue[tail++] = static_cast<short>(u);
  }
  while (head < tail) {
    const short u = queue[head++];
    if (distance[u] >= distance[0]) continue;
    const short* neighbours = state->adjacency[u];
    for (int i = neighbours ? neighbours[0] : 0; i > 0; i--) {
      const short next = state->pair_vu[neighbours[i]];
      if (distance[next] != unreachable) continue;
      distance[next] = static_cast<short>(distance[u] + 1);
      if (next != 0) queue[tail++] = next;
    }
  }
  return distance[0] != unreachable;
}

// Follows a shortest way from `u` and swaps what is matched along it.
bool augment(BipartiteMatchState* state, short u) {
  if (u == 0) return true;
  CHECK_FOR_INTERRUPTS();
  short* distance = state->distance;
  if (distance[u] == unreachable) return false;
  const short* neighbours = state->adjacency[u];
  for (int i = neighbours ? neighbours[0] : 0; i > 0; i--) {
    const short v = neighbours[i];
    const short next = state->pair_vu[v];
    if (distance[next] != distance[u] + 1 || !augment(state, next)) continue;
    state->pair_vu[v] = u;
    state->pair_uv[u] = v;
    return true;
  }
  distance[u] = unreachable;
  return false;
}

short* new_shorts(int count) {
  return static_cast<short*>(palloc0(static_cast<Size>(count) * sizeof(short)));
}

}  // namespace

extern "C" {

BipartiteMatchState* BipartiteMatch(int u_size, int v_size, short** adjacency) {
  if (u_size < 0 || u_size >= SHRT_MAX || v_size < 0 || v_size >= SHRT_MAX)
    elog(ERROR, "invalid set size for BipartiteMatch");
  auto* state = static_cast<BipartiteMatchState*>(palloc(sizeof(BipartiteMatchState)));
  *state = {.u_size = u_size,
            .v_size = v_size,
            .adjacency = adjacency,
            .matching = 0,
            .pair_uv = new_shorts(u_size + 1),
            .pair_vu = new_shorts(v_size + 1),
            .distance = new_shorts(u_size + 1),
            .queue = new_shorts(u_size + 2)};
  while (find_distances(state)) {
    for (int u = 1; u <= u_size; u++)
      if (state->pair_uv[u] == 0 && augment(state, static_cast<short>(u))) state->matching++;
    CHECK_FOR_INTERRUPTS();
  }
  return state;
}

void BipartiteMatchFree(BipartiteMatchState* state) {
  // The adjacency lists are the caller's.
  pfree(state->pair_uv);
  pfree(state->pair_vu);
  pfree(state->distance);
  pfree(state->queue);
  pfree(state);
}

}  // extern "C"
