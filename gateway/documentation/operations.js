"use strict"
// Shows the OpenAPI document with Swagger UI, which sends requests with the identity of the page.

const dark = matchMedia("(prefers-color-scheme: dark)")
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches)
dark.addEventListener("change", follow)
follow()

addEventListener("DOMContentLoaded", () => {
  const operations = JSON.parse(document.getElementById("operations").textContent)

  // Open the operation of a fragment such as #get_machine; Swagger UI's own is #/machines/get_machine.
  const named = () => {
    const name = location.hash.slice(1)
    if (!Object.hasOwn(operations, name)) return null
    const { tag } = operations[name]
    history.replaceState(null, "", `#/${tag}/${name}`)
    return { tag, name }
  }
  named()
  addEventListener("hashchange", () => {
    const found = named()
    if (!found) return
    ui.layoutActions.show(["operations-tag", found.tag], true)
    ui.layoutActions.show(["operations", found.tag, found.name], true)
    document.getElementById(`operations-${found.tag}-${found.name}`)?.scrollIntoView()
  })

  // Describe each operation by its curl line, for the address of this page.
  const withCurl = (text) => {
    const document = JSON.parse(text)
    for (const methods of Object.values(document.paths))
      for (const operation of Object.values(methods)) {
        const line = operations[operation.operationId]?.curl.replace("http://ORIGIN", location.origin)
        const described = operation.description ?? ""
        if (line) operation.description = `${described}\n\n\`\`\`sh\n${line}\n\`\`\``
      }
    return JSON.stringify(document)
  }
  const curl = () => ({
    statePlugins: {
      spec: { wrapActions: { updateSpec: (update) => (text) => update(withCurl(text)) } },
    },
  })

  const ui = SwaggerUIBundle({
    url: "/documentation/json",
    dom_id: "#swagger-ui",
    plugins: [curl],
    deepLinking: true,
    validatorUrl: null,
  })
})
