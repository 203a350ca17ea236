#include "threads.h"
#include <condition_variable>
#include <mutex>
#include <thread>

namespace jedisim {

namespace {
class Team {
public:
    void run(u64 others, const std::function<void()>& job) {
        std::lock_guard turn(one);
        {
            std::lock_guard hold(lock);
            for (; members < others; members++) std::thread([this] { serve(); }).detach();
            work = &job, wanted = others;
        }
        wake.notify_all();
        job();
        std::unique_lock hold(lock);
        wanted = 0; // whoever has not begun finds nothing left
        done.wait(hold, [&] { return running == 0; });
    }

private:
    std::mutex one, lock;
    std::condition_variable wake, done;
    const std::function<void()>* work = nullptr;
    u64 members = 0, wanted = 0, running = 0;

    void serve() {
        std::unique_lock hold(lock);
        for (;;) {
            wake.wait(hold, [&] { return wanted > 0; });
            wanted--, running++;
            const std::function<void()>& job = *work;
            hold.unlock();
            job();
            hold.lock();
            if (--running == 0) done.notify_one();
        }
    }
};
} // namespace

void together(u64 count, const std::function<void()>& work) {
    // Never destroyed: its threads wait on it until the process ends.
    static Team& team = *new Team;
    if (count <= 1) work();
    else team.run(count - 1, work);
}

} // namespace jedisim
