// Browsers start no worker for a page that was opened from disk. Search needs one: here its script runs in a hidden
// frame of the same page, which has the two things that the script uses, messages in and messages out. As with a real
// worker, each message arrives in a task of its own: the script may still be busy with the one before.
if (location.protocol === "file:") {
  const deliver = (target, data) => setTimeout(() => target.dispatchEvent(new MessageEvent("message", { data })))

  class FrameWorker extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.window = frame.contentWindow
      this.window.postMessage = (data) => deliver(this, data)
      const script = this.window.document.createElement("script")
      script.src = new URL(url, document.baseURI)
      script.onload = () => {
        this.waiting.forEach((data) => deliver(this.window, data))
        this.waiting = null
      }
      this.window.document.body.append(script)
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data)
      else deliver(this.window, data)
    }
  }
  window.IFrameWorker = window.Worker = FrameWorker
}
