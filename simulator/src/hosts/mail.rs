//! From one task to another: an unbounded queue whose ends notice when the other is dropped.

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

struct Queue<T> {
    items: VecDeque<T>,
    sender_gone: bool,
    receiver_gone: bool,
    wakers: Vec<Waker>,
}

impl<T> Queue<T> {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

pub struct Sender<T>(Rc<RefCell<Queue<T>>>);
pub struct Receiver<T>(Rc<RefCell<Queue<T>>>);

pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let queue = Rc::new(RefCell::new(Queue {
        items: VecDeque::new(),
        sender_gone: false,
        receiver_gone: false,
        wakers: Vec::new(),
    }));
    (Sender(queue.clone()), Receiver(queue))
}

impl<T> Sender<T> {
    pub fn send(&self, item: T) {
        let mut queue = self.0.borrow_mut();
        queue.items.push_back(item);
        queue.wake();
    }

    /// Ends when nobody listens any more.
    pub async fn closed(&self) {
        poll_fn(|context| {
            let mut queue = self.0.borrow_mut();
            if queue.receiver_gone {
                return Poll::Ready(());
            }
            queue.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl<T> Receiver<T> {
    /// None when the sender is gone and nothing is left.
    pub async fn next(&self) -> Option<T> {
        poll_fn(|context| {
            let mut queue = self.0.borrow_mut();
            if let Some(item) = queue.items.pop_front() {
                return Poll::Ready(Some(item));
            }
            if queue.sender_gone {
                return Poll::Ready(None);
            }
            queue.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.sender_gone = true;
        queue.wake();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.receiver_gone = true;
        queue.wake();
    }
}
