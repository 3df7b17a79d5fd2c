// State in shared memory as a typed object: size requested, constructed once, reached under its lock.
//
// The object lives in the main shared memory segment and is constructed by the postmaster, before any worker,
// once for each life of that memory (again after a crash and reset). It is never destroyed, hence must not need
// to be. Access goes through an owner of its lightweight lock; an error thrown while the lock is held releases
// it.
#pragma once

#include "format.hpp"
#include "guard.hpp"

namespace bgworker BGWORKER_LOCAL {

namespace detail {

class shared_base {
 protected:
  shared_base() {
    *last_ = this;
    last_ = &next_;
  }
  ~shared_base() = default;

 private:
  friend class shared_hooks;
  virtual void request() = 0;
  virtual void start() = 0;
  shared_base* next_ = nullptr;
  static inline shared_base* first_ = nullptr;
  static inline shared_base** last_ = &first_;
};

/// The two hooks of the module, chained as the server's convention is.
class shared_hooks {
 public:
  static void install() {
    if (shared_base::first_ == nullptr) return;
    previous_request_ = shmem_request_hook;
    shmem_request_hook = request;
    previous_startup_ = shmem_startup_hook;
    shmem_startup_hook = startup;
  }

 private:
  static void request() {
    if (previous_request_) previous_request_();
    entered([] {
      for (shared_base* s = shared_base::first_; s; s = s->next_) s->request();
    });
  }
  static void startup() {
    if (previous_startup_) previous_startup_();
    entered([] {
      for (shared_base* s = shared_base::first_; s; s = s->next_) s->start();
    });
  }
  static inline shmem_request_hook_type previous_request_ = nullptr;
  static inline shmem_startup_hook_type previous_startup_ = nullptr;
};

}  // namespace detail

/// Holds a lightweight lock for a scope.
class lock_owner {
 public:
  lock_owner(LWLock* lock, LWLockMode mode) : lock_(lock) {
    guarded([&] { LWLockAcquire(lock, mode); });
  }
  lock_owner(const lock_owner&) = delete;
  lock_owner& operator=(const lock_owner&) = delete;
  ~lock_owner() {
    if (LWLockHeldByMe(lock_)) {
      detail::guarded_noexcept([this] { LWLockRelease(lock_); });
    } else if (InterruptHoldoffCount > 0) {
      // The end of a failed transaction released it, and left the hold-off that acquiring it began.
      InterruptHoldoffCount = InterruptHoldoffCount - 1;
    }
  }

 private:
  LWLock* lock_;
};

/// Declares an object in shared memory, at namespace scope of a module in shared_preload_libraries:
///
///     struct totals { std::int64_t rounds = 0; };
///     static bgworker::shared<totals> state{"my totals"};
///     …
///     state.lock()->rounds += 1;
template <class T>
class shared final : private detail::shared_base {
  static_assert(std::is_trivially_destructible_v<T>,
                "shared memory is dropped, not destroyed: T must not need a destructor");
  static_assert(!std::is_polymorphic_v<T>,
                "shared memory outlives modules' addresses: T must not have virtual functions");

  template <class U>
  class access {
   public:
    U* operator->() const { return object_; }
    U& operator*() const { return *object_; }

   private:
    friend class shared;
    access(U* object, LWLock* lock, LWLockMode mode) : owner_(lock, mode), object_(object) {}
    lock_owner owner_;
    U* object_;
  };

 public:
  /// name: unique in the server, at most 47 bytes are of use (the index of shared memory cuts there).
  explicit shared(const char* name) : name_(name) {}

  /// The object, for one holder alone; the lock is held as long as the result lives.
  access<T> lock() { return {object(), lock_, LW_EXCLUSIVE}; }
  /// The object for reading, beside other readers.
  access<const T> lock_shared() { return {object(), lock_, LW_SHARED}; }
  /// The object without a lock: for atomics inside it.
  T& unlocked() { return *object(); }

 private:
  T* object() const {
    if (object_ == nullptr)
      detail::fail({"55000", "Put the module into shared_preload_libraries."},
                   "shared memory \"{}\" does not exist", name_);
    return object_;
  }

  void request() override {
    guarded([&] {
      RequestAddinShmemSpace(MAXALIGN(sizeof(T) + alignof(T)));
      RequestNamedLWLockTranche(name_, 1);
    });
  }

  void start() override {
    bool found = false;
    void* place = guarded([&] {
      LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
      void* p = ShmemInitStruct(name_, sizeof(T) + alignof(T), &found);
      LWLockRelease(AddinShmemInitLock);
      return p;
    });
    void* aligned = reinterpret_cast<void*>(TYPEALIGN(alignof(T), place));
    lock_ = guarded([&] { return &GetNamedLWLockTranche(name_)->lock; });
    object_ = found ? std::launder(static_cast<T*>(aligned)) : new (aligned) T();
  }

  const char* name_;
  T* object_ = nullptr;
  LWLock* lock_ = nullptr;
};

}  // namespace BGWORKER_LOCAL
