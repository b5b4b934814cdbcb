// Browsers start no worker for a page that was opened from disk. Search needs one: here its script runs in a hidden
// frame of the same page, which has the two things that the script uses, messages in and messages out.
if (location.protocol === "file:") {
  class FrameWorker extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.window = frame.contentWindow
      this.window.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      const script = this.window.document.createElement("script")
      script.src = new URL(url, document.baseURI)
      script.onload = () => {
        this.ready = true
        this.waiting.splice(0).forEach((data) => this.postMessage(data))
      }
      this.window.document.body.append(script)
    }

    postMessage(data) {
      if (this.ready) this.window.dispatchEvent(new MessageEvent("message", { data }))
      else this.waiting.push(data)
    }
  }
  window.IFrameWorker = window.Worker = FrameWorker
}
