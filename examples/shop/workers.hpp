// shop/workers.hpp -- the threads that serve connections, and the queue of connections before them.
#pragma once
#include <pthread.h>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <httplib.h>
#include <ouro/trace.hpp>

namespace shop {

class Workers : public httplib::TaskQueue {
 public:
  explicit Workers(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { serve(i); });
  }

  void enqueue(std::function<void()> connection) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(connection));
      OURO_COUNTER("shop:queue_depth", waiting_.size());
    }
    changed_.notify_one();
  }

  // Serves what is waiting, then ends the threads.
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void serve(std::size_t number) {
    char name[16];
    std::snprintf(name, sizeof name, "shop-worker-%zu", number % 100);
    pthread_setname_np(pthread_self(), name);
    while (std::function<void()> connection = next()) connection();
  }

  std::function<void()> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return nullptr;
    std::function<void()> connection = std::move(waiting_.front());
    waiting_.pop_front();
    OURO_COUNTER("shop:queue_depth", waiting_.size());
    return connection;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace shop
