"use strict"
// Shows the OpenAPI document with Swagger UI, which sends requests with the identity of the page.

const dark = matchMedia("(prefers-color-scheme: dark)")
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches)
dark.addEventListener("change", follow)
follow()

addEventListener("DOMContentLoaded", () => {
  const operations = JSON.parse(document.getElementById("operations").textContent)

  // Replace a fragment such as #get_machine by that of Swagger UI, #/machines/get_machine.
  const isReplaced = () => {
    const name = location.hash.slice(1)
    if (!Object.hasOwn(operations, name)) return false
    history.replaceState(null, "", `#/${operations[name].tag}/${name}`)
    return true
  }
  isReplaced()
  addEventListener("hashchange", () => isReplaced() && location.reload())

  // Describe each operation by its curl line, for the address of this page.
  const withCurl = (text) => {
    const described = JSON.parse(text)
    for (const methods of Object.values(described.paths))
      for (const operation of Object.values(methods)) {
        const line = operations[operation.operationId].curl.replace("http://ORIGIN", location.origin)
        operation.description = `\`\`\`sh\n${line}\n\`\`\``
      }
    return JSON.stringify(described)
  }
  const curl = () => ({
    statePlugins: {
      spec: { wrapActions: { updateSpec: (update) => (text) => update(withCurl(text)) } },
    },
  })

  SwaggerUIBundle({
    url: "/documentation/json",
    dom_id: "#swagger-ui",
    plugins: [curl],
    deepLinking: true,
    validatorUrl: null,
  })
})
