# %% [raw] tags=["header"]
# lesson: "03"
# title: Stateless and stateful
# minutes: {teach: 24, practise: 14}
# you_will:
#   - say what HTTP remembers of you, what a cookie adds, and where a session lives
#   - predict how many customers lose their cart when you add replicas, and measure it
#   - choose between a signed cookie, sticky sessions and a shared store, and name the price of each
#   - watch TCP's handshake, and say why a conversation dies with its pod
# needs:
#   lessons: ["00"]
#   abilities: [containers, kubectl]
# words:
#   state: What a program remembers from one request to the next.
#   stateless: Able to answer every request from that request alone.
#   stateful: In need of what it remembers of earlier requests.
#   cookie: A short text that a server gives a browser, and the browser sends back with every request.
#   session: What a server keeps of one customer, found again by the number in the customer's cookie.
#   signature: A number that only the holder of a secret can compute for a text.
#   token: The same kind of text as in a cookie, sent by a program in another header.
#   session affinity: A Service's habit of sending one client to the same pod each time; also called sticky.
#   three-way handshake: The three packets with which both ends of a TCP connection agree to talk.
# runtimes:
#   docker: full
#   local: full
#   simulated: not at all; records answer no requests
#   cluster: full; requests go through the API server, so a sticky Service sees one client

# %% [markdown]
# # Stateless and stateful
#
# Ada puts tea into her cart. She reloads the page, and the cart is empty. She reloads once more, and the tea is back.
#
# **Where was the tea in between?** Nothing crashed, and nobody changed the shop's code. Somebody added replicas.
# You will find out what a server remembers of you, where it keeps that, and three ways to keep it better.

# %%
import k8slab

lab = k8slab.Lab()
lesson = k8slab.lesson("03")
lesson

# %% [markdown]
# ## HTTP forgets
#
# The shop is one small program, `k8slab/cart`: a login, a cart, and a switch that says where it keeps them.
# Begin with one pod, and a Service in front of it.
#
# Two kinds of objects here get lessons of their own, and one sentence now. A **Deployment** keeps as many equal pods
# running as you say (lesson 05). A **Service** is one address in front of them, and sends each connection to one (06).

# %%
%%manifest
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "k8slab/cart", env: [{name: STATE, value: memory}],
      readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}}]}

# %%
%%manifest
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}

# %%
lab.wait("deployment/shop")
lab.shop("http://shop")

# %% [markdown]
# Two customers with a browser each. Log in as `ada`, and put some tea into her cart. Look at her cookie.
# Everything the view does, two lines of Python do as well:

# %%
eve = lab.browser("http://shop", "eve")
eve.post("/login", user="eve")
eve.post("/cart", item="lamp").json()

# %% [markdown]
# The shop knew at the second request who had sent the first. Between the two, her browser's connection was closed.

# %% [markdown] key="forget" tags=["predict"]
# **Eve's browser throws its cookie away and asks again. What does the shop say?**
#
# - [ ] You are eve, and your cart has a lamp: the address is the same.
# - [ ] You are eve, and your cart is empty.
# - [x] It knows nobody, and no cart.
#
# The request carried nothing that told Eve from any stranger. **HTTP** is **stateless**: a server may
# answer each request without knowing of any other. The shop still has the lamp, under a number. Nobody names the number now.

# %%
lesson.predict("forget")

# %%
number = eve.cookies["shop"]
eve.forget()
told = eve.get().json()
lesson.reveal("forget")
number, told

# %% [markdown]
# What a program remembers from request to request is **state**. Here it has two parts:
#
# | part | lives in | looks like |
# |---|---|---|
# | the **cookie** | Eve's browser | a number without meaning |
# | the **session** | the memory of one pod | who she is, and her cart |

# %% [markdown]
# ## The cart is empty again
#
# Business is good. One pod is not enough, so you make it three.

# %% [markdown] key="share" tags=["predict"]
# **Ada logs in, then three pods answer in her stead of one. Of 60 reloads, how many know her?**
#
# - [ ] All 60: she has her cookie.
# - [x] About 20.
# - [ ] None: new pods, new sessions.
#
# Computed: one pod of three has her session, so 60 ÷ 3 = {computed}. Measured: **{measured}**.
# The cookie arrived every time. Two pods did not know its number, because the session lives in the memory of the third.

# %%
lesson.predict("share")

# %%
ada = lab.browser("http://shop", "ada")
ada.post("/login", user="ada")
%kubectl scale deployment shop --replicas=3
lab.wait("deployment/shop")
answers = [ada.get().json() for _ in range(60)]
known = sum(answer["user"] == "ada" for answer in answers)
lesson.reveal("share", computed=60 // 3, measured=known)

# %%
from collections import Counter

Counter((answer["pod"], answer["user"]) for answer in answers)

# %% [markdown]
# With one pod nobody would have noticed. The shop was **stateful** all along: to answer, it needs what it remembers.
# Kill that one pod and the session is gone for good, whatever number the cookie holds.
#
# There are three ways out. Each moves the state to another place.

# %% [markdown]
# ## First way out: the customer keeps it
#
# Put everything into the cookie: user, cart, all. Then every pod can answer from the request alone.
# But the customer could write into it, too. So the shop **signs** it, with a secret that customers do not have.

# %%
%kubectl set env deployment/shop STATE=cookie
lab.wait("deployment/shop")

# %% [markdown] key="own-secret" tags=["predict"]
# **Nobody gave the pods a secret, so each made one of its own. Ada logs in and reloads 60 times. How many know her?**
#
# - [ ] All: the cookie carries everything.
# - [x] About 20, as before.
# - [ ] None: without a secret nothing is signed.
#
# {measured} of 60. Every pod can read the cookie, but only the pod that signed it believes it.
# The state had left the pods. The secret had not, and a secret that differs is state as well.

# %%
lesson.predict("own-secret")

# %%
ada.post("/login", user="ada")
answers = [ada.get().json() for _ in range(60)]
lesson.reveal("own-secret", measured=sum(answer["user"] == "ada" for answer in answers))
answers[0]["note"] or answers[1]["note"]

# %% [markdown] key="signed" tags=["exercise"]
# ## Your turn: one secret
#
# Give all pods of `shop` the same `SECRET`, so that each believes what another signed.
# The value is yours to choose. The variable is read when the program starts.

# %% key="signed" tags=["exercise"]
# solution
%kubectl set env deployment/shop SECRET=nobody-knows

# %% [markdown] key="signed" tags=["hints"]
# 1. **Where to look.** The pods get their environment from the Deployment's template. You have changed `STATE` there.
# 2. **Which thing.** A second variable of the same container, named `SECRET`.
# 3. **Which command.** `kubectl set env deployment/…` with `NAME=value`. The pods are replaced by themselves.

# %%
lesson.check("signed")

# %% [markdown]
# In real life the value belongs into a Kubernetes Secret, and the Deployment only names it. Lesson 02 does that.
#
# Now log in on the view above, and press *Tamper*. It makes the cookie say `boss`. Then reload.

# %%
import base64

ada.post("/login", user="ada")
base64.urlsafe_b64decode(ada.cookies["shop"].rpartition(".")[0])

# %% [markdown]
# No secret was needed to read it. Signed is not sealed: **whatever must not be read or copied does not belong in a cookie**.
# No password, no price, no credit card. And whoever holds the cookie is Ada: press *Steal cookie*.
# A program sends the same text in another header, `Authorization: Bearer …`, and calls it a **token**.

# %% [markdown]
# ## Second way out: always the same pod
#
# Go back to memory. Leave the sessions where they are, and send each customer to their pod every time.
# A Service can do that: it looks at the client's address.

# %% [markdown] key="sticky" tags=["exercise"]
# ## Your turn: a sticky Service
#
# The shop keeps its state in memory again, with three pods.
# **Make the Service `shop` send each client to the same pod, by the client's address.**

# %%
lesson.start("sticky")

# %% key="sticky" tags=["exercise"]
# solution
%kubectl patch service shop -p '{"spec": {"sessionAffinity": "ClientIP"}}'

# %% [markdown] key="sticky" tags=["hints"]
# 1. **Where to look.** It is the Service that chooses a pod for each connection. The Deployment stays as it is.
# 2. **Which field.** `kubectl explain service.spec.sessionAffinity` tells its two values.
# 3. **Which command.** `kubectl patch service shop -p '{"spec": {…}}'`, or edit the manifest above and apply it again.

# %%
lesson.check("sticky")

# %% [markdown]
# A Service knows two kinds only. The next cell **is meant to fail**: some load balancers can be sticky by a cookie, and
# the cell asks a Service for that. Read who refuses, and what is allowed.

# %% tags=["raises-exception"]
%kubectl patch service shop -p '{"spec": {"sessionAffinity": "Cookie"}}'

# %% [markdown]
# The API server refused, and the Service is as it was. A Service passes bytes on and does not read them:
# it sees addresses, and no cookies. An Ingress or a Gateway reads HTTP, and may do it.

# %% [markdown] key="sticky-dies" tags=["predict"]
# **Ada's pod answers all her requests now. That pod is deleted, and replaced. What does Ada see?**
#
# - [ ] Her cart: the Service sends her to a pod that knows her.
# - [x] An empty cart. The next pod has never heard of her.
# - [ ] An error, until the old pod is back.
#
# Stickiness does not move the session. It only hides that it lives in one place, until that place goes away.
# It has a second price: everybody behind one address, a whole office, goes to one pod.

# %%
lesson.predict("sticky-dies")

# %%
ada.forget()
ada.post("/login", user="ada")
mine = ada.get().json()["pod"]
%kubectl delete pod {mine}
lab.wait("deployment/shop")
lesson.reveal("sticky-dies")
ada.get().json()

# %% [markdown]
# ## Third way out: one store for all
#
# Move the sessions out of the pods, into a program that does nothing but remember: **Redis**, a real one.
# The cookie holds a number again. Every pod asks Redis what it means.

# %%
%%manifest
apiVersion: apps/v1
kind: Deployment
metadata: {name: redis}
spec:
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec: {containers: [{name: redis, image: "k8slab/redis:7", readinessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}}]}

# %%
%%manifest
apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {selector: {app: redis}, ports: [{port: 6379}]}

# %% [markdown] key="kept" tags=["exercise"]
# ## Your turn: carts that outlive their pods
#
# **Have the shop keep its state in Redis.** It looks for Redis at `redis:6379`, the Service above.
# Then a cart survives every pod of the shop.

# %%
lab.wait("deployment/redis")
lesson.start("kept")

# %% key="kept" tags=["exercise"]
# solution
%kubectl set env deployment/shop STATE=redis

# %% [markdown] key="kept" tags=["hints"]
# 1. **Where to look.** The shop has one switch, and you have turned it before.
# 2. **Which thing.** The variable `STATE` of the Deployment `shop`. It takes `memory`, `cookie` or `redis`.
# 3. **Which command.** The one that you gave the pods their `SECRET` with.

# %%
lesson.check("kept")

# %% [markdown] key="all-die" tags=["predict"]
# **Ada logs in and takes a book. Then you delete all three pods of the shop at once. Who knows Ada afterwards?**
#
# - [ ] Nobody.
# - [ ] About a third of the new pods.
# - [x] Every new pod.
#
# {measured} of 60 reloads knew her. The pods of the shop are stateless now: any of them can be killed, added or moved.
# The state has not gone. It has moved into one pod that must not die: the one of Redis. Lesson 10 gives it a disk.

# %%
lesson.predict("all-die")

# %%
lab.wait("deployment/shop")
ada.post("/login", user="ada")
ada.post("/cart", item="book")
%kubectl delete pods -l app=shop
lab.wait("deployment/shop")
answers = [ada.get().json() for _ in range(60)]
lesson.reveal("all-die", measured=sum(answer["cart"] == {"book": 1} for answer in answers))

# %% [markdown]
# | where state lives | a pod dies | more pods | price |
# |---|---|---|---|
# | memory of a pod | its customers lose it | most requests miss it | none, until then |
# | memory, sticky Service | its customers lose it | found again | uneven load, whole offices on one pod |
# | signed cookie | nothing is lost | nothing to do | small, readable by its owner, cannot be called back |
# | shared store | nothing is lost | nothing to do | one more program to keep alive, one more question per request |

# %% [markdown]
# ## Whose state is it?
#
# A cart is not a shop's only state, and not all of it needs the same place. Ask who else must see it:
#
# | state | whose | who must see it | where it belongs |
# |---|---|---|---|
# | the page you are on, a form half filled in | the client's | one browser | in the browser: each request carries what it needs |
# | who is logged in, the cart | the session's | one customer, every pod | signed cookie or shared store |
# | stock, prices, orders | the application's | everybody | a database with a disk: lesson 10 |
#
# A stateless server still changes the state of the **application**: an order is an order. It keeps no state of the **client**
# between two requests. That is the rule that lets any pod answer the next one.

# %% [markdown]
# ## A connection that remembers
#
# HTTP forgets, but it travels over something that remembers. A TCP connection has two ends, and each knows the other.
# First both have to agree that they talk. Press *Connect*, one step at a time.

# %% [markdown] key="packets" tags=["predict"]
# **How many packets cross before the first byte of a request does?**
#
# - [ ] None: the request is the first packet.
# - [ ] Two: a question and an answer.
# - [x] Three.
#
# SYN, SYN ACK, ACK: the **three-way handshake**. Each end tells where its count of bytes begins,
# and hears that the other got it. From then on both kernels hold state for this connection: ESTABLISHED.

# %%
lesson.predict("packets")

# %%
view = lab.handshake()
lesson.reveal("packets")
view

# %% [markdown]
# HTTP may keep such a connection open for the next request. That saves a handshake. Does the shop know you by it?

# %%
import json
from http.client import HTTPConnection

line = HTTPConnection("shop")
line.sock = lab.dial("shop:80")
for _ in range(3):
    line.request("GET", "/", headers={"Accept": "application/json"})
    told = json.load(line.getresponse())
    print(told["request_on_connection"], told["pod"], told["user"])

# %% [markdown]
# Three requests, one connection, one pod, and no user. **Keep-alive** remembers a line, not a customer.
# The next request may come over another line, or over one that a proxy shares among strangers.

# %% [markdown]
# ## A conversation that dies
#
# Some protocols do use the connection as their memory: Telnet, FTP, a database's session. `k8slab/chat` is one of them.

# %%
%%manifest
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec: {containers: [{name: chat, image: "k8slab/chat", readinessProbe: {tcpSocket: {port: 2323}, periodSeconds: 1}}]}

# %%
%kubectl expose deployment chat --port=2323
lab.wait("deployment/chat")
talk = lab.dial("chat:2323").makefile("rw")
print(talk.readline())
for said in ("NAME ada", "two teas, please", "WHO"):
    print(said, file=talk, flush=True)
    print(talk.readline(), end="")

# %% [markdown] key="chat" tags=["predict"]
# **The conversation is open. Its pod is deleted, and a new one runs a moment later. What about the conversation?**
#
# - [ ] It goes on with the new pod: the Service's address is the same.
# - [x] It ends. A new connection meets a server that knows nothing.
# - [ ] It waits until the old pod is back.
#
# A Service chooses a pod when a connection is made. The kernel's state of this connection, and the server's memory of Ada,
# were on one machine and in one process. Nothing carries them to another.

# %%
lesson.predict("chat")

# %%
%kubectl delete pod -l app=chat
print(talk.readline())
lab.wait("deployment/chat")
again = lab.dial("chat:2323").makefile("rw")
again.readline()
print("WHO", file=again, flush=True)
lesson.reveal("chat")
again.readline()

# %% [markdown]
# That is why a file transfer or a database session breaks when its server moves, and a web shop need not.
# Kubernetes moves pods all the time. It is at its best with programs that do not mind.

# %% [markdown]
# ## Away with it

# %%
%kubectl delete deployment,service shop redis chat
lab.wait("deployment/shop")

# %% [markdown]
# ## Three questions

# %% [markdown] key="secret-rotates" tags=["quiz"]
# **A shop keeps all in signed cookies. Every night the pods start anew with a new secret, the same for all. What do customers see?**
#
# - [ ] Nothing: the cookie has everything.
#   It has, but nobody believes it: the signature was made with yesterday's secret.
# - [x] Each morning they are strangers.
#   A cookie is only as good as its signature. A shop that changes secrets accepts the old one for a while, too.
# - [ ] A third of them lose their cart.
#   That happens when each pod has a secret of its own. Here all pods have the same.

# %%
lesson.quiz("secret-rotates")

# %% [markdown] key="logout" tags=["quiz"]
# **Ada's cookie was stolen, and the shop wants to throw the thief out at once. With which kind of state can it do that best?**
#
# - [ ] With a signed cookie: Ada logs out.
#   Her browser forgets it. The thief has a copy, and the signature on it stays good.
# - [ ] With sticky sessions: the thief comes from another address.
#   The thief may land on another pod, and that pod may hold nothing. But that is luck, not a decision.
# - [x] With a session in a shared store.
#   One entry is deleted, and the number in both copies means nothing any more.

# %%
lesson.quiz("logout")

# %% [markdown] key="which-part" tags=["quiz"]
# **A shop has four parts. Three of them can be deleted and made again at any moment. Which one can not?**
#
# - [ ] The pages with products and prices, read from a file in the image.
#   A new pod has the same image, so it has the same file.
# - [ ] The pods that answer customers, with sessions in Redis.
#   They know nothing that is not asked for again with the next request.
# - [x] Redis, as it was in this lesson.
#   It kept everything in the memory of one pod. It needs a volume, and a name that stays: lesson 10.
# - [ ] The Service in front of them.
#   It holds an address and a rule. Apply its manifest again, and both are back, if the address is written in it.

# %%
lesson.quiz("which-part")

# %% [markdown]
# ## What you saw
#
# - HTTP forgets. A cookie is the customer's memory, a session the server's, and one names the other.
# - State in a pod's memory is lost with the pod, and missed by every other pod: one in three finds it.
# - Signed cookies, sticky Services and a shared store move the state. None makes it go away.
# - TCP remembers, in both kernels. What lives in a connection dies with either end.
#
# **The tea again:** it was in the memory of one pod, while another pod answered.

# %%
lesson.recap()

# %% [markdown]
# ### What the lab left out
#
# - Here kube-proxy takes the pods in turn. In a real cluster it may choose at random, so your count varies more.
# - A real shop talks HTTPS, and its cookies are marked Secure. The lab's network does not leave this machine.
# - A sticky Service forgets a client after three hours without a word from it, `sessionAffinityConfig` says how long.
#
# ### In the Kubernetes documentation
#
# - [Session affinity](https://kubernetes.io/docs/reference/networking/virtual-ips/#session-affinity), `/docs/reference/networking/virtual-ips/`
# - [Service](https://kubernetes.io/docs/concepts/services-networking/service/), `/docs/concepts/services-networking/service/`
# - [Define Environment Variables for a Container](https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/), `/docs/tasks/inject-data-application/define-environment-variable-container/`
# - [StatefulSets](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/), `/docs/concepts/workloads/controllers/statefulset/`
#
# HTTP's forgetfulness is [RFC 9110, 3.3](https://www.rfc-editor.org/rfc/rfc9110#section-3.3), cookies are
# [RFC 6265](https://www.rfc-editor.org/rfc/rfc6265), the handshake is [RFC 9293, 3.5](https://www.rfc-editor.org/rfc/rfc9293#section-3.5).
# That the client keeps the client's state is a rule of Roy Fielding's [REST, 5.1.3](https://ics.uci.edu/~fielding/pubs/dissertation/rest_arch_style.htm#sec_5_1_3).
